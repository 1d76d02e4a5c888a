import { expect, test } from 'vitest';
import { browser } from './browser.ts';

test('a device is named in a few words', () => {
  expect(browser('Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36 Edg/126.0')).toBe('Edge · Windows');
  expect(browser('Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0')).toBe('Firefox · Linux');
  expect(browser('Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Mobile/15E148 Safari/604.1')).toBe('Safari · iPhone');
  expect(browser('Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/126.0 Mobile Safari/537.36')).toBe('Chrome · Android');
  expect(browser(null)).toBe('');
  expect(browser('curl/8.5.0')).toBe('curl/8.5.0');
  expect(browser('x'.repeat(500))).toHaveLength(60);
});
