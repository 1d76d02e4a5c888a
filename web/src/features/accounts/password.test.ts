import { expect, test } from 'vitest';
import { passwordProblem } from './password.ts';

test('a sentence of fifteen characters is a password', () => {
  expect(passwordProblem('a quiet garden!', 'a@example.org')).toBeNull();
});

test('short and repeating passwords are named as what they are', () => {
  expect(passwordProblem('short', 'a@example.org')).toBe('short');
  expect(passwordProblem('aaaaaaaaaaaaaaaaaa', 'a@example.org')).toBe('plain');
});

test('characters are counted, not code units', () => {
  expect(passwordProblem('🔑'.repeat(14), 'a@example.org')).toBe('short');
});
