/** Which picture some bytes are, by their first bytes and never by their name. SVG is none: it can hold script. */
export function picture(bytes: Uint8Array): string | null {
  const starts = (at: number, ...wanted: number[]) => wanted.every((byte, n) => bytes[at + n] === byte);
  if (starts(0, 0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)) return 'image/png';
  if (starts(0, 0xff, 0xd8, 0xff)) return 'image/jpeg';
  if (starts(0, 0x47, 0x49, 0x46, 0x38)) return 'image/gif';
  if (starts(0, 0x52, 0x49, 0x46, 0x46) && starts(8, 0x57, 0x45, 0x42, 0x50)) return 'image/webp';
  return null;
}
