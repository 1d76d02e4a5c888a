/**
 * What a Bundle that was put together here leaves out: files that are too large
 * to stand in it. It is looked through as text, since reading a hundred megabytes
 * as JSON would hold them twice, and writing them again would change numbers.
 */
interface FileOf { id: string; name: string; size: number }

/** The files whose entry holds no data. Entries begin with their `fullUrl`. */
export function leftOut(bundle: string, files: FileOf[]): FileOf[] {
  return files.filter(({ id }) => {
    const start = bundle.indexOf(`"fullUrl":"urn:uuid:${id}"`);
    if (start < 0) return true;
    const next = bundle.indexOf('{"fullUrl":"urn:uuid:', start);
    const at = bundle.indexOf('"data":"', start);
    return at < 0 || (next >= 0 && at > next);
  });
}
