import { expect, test } from 'vitest';
import { confirms } from './delete.tsx';

test('only the sentence itself confirms, however it is spaced', () => {
  expect(confirms('delete everything', 'delete everything')).toBe(true);
  expect(confirms('  Delete   Everything ', 'delete everything')).toBe(true);
  for (const typed of ['', 'delete', 'delete everything!', 'deleteeverything', 'yes']) expect(confirms(typed, 'delete everything'), typed).toBe(false);
});
