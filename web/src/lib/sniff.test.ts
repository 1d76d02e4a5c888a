import { expect, test } from 'vitest';
import { picture } from './sniff.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

test('pictures are known by their bytes', () => {
  expect(picture(new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0]))).toBe('image/png');
  expect(picture(new Uint8Array([0xff, 0xd8, 0xff, 0xe0]))).toBe('image/jpeg');
});

test('what can hold script is never a picture', () => {
  for (const text of ['<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>', '<html>', '%PDF-1.7', '']) {
    expect(picture(bytes(text))).toBeNull();
  }
});
