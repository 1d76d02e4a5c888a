import { expect, test } from 'vitest';
import { TOPICS } from '../vault-worker/api.ts';
import { queriesOf } from './live.ts';

test('whatever is heard of, something is asked again', () => {
  for (const topic of TOPICS) {
    const keys = queriesOf(topic);
    if (topic === 'reset') expect(keys).toBeNull();
    else expect(keys?.length, topic).toBeGreaterThan(0);
  }
});

test('access that ended closes what was open under it', () => {
  expect(queriesOf('grants')).toContainEqual(['vault']);
  expect(queriesOf('grants')).toContainEqual(['shared-with-me']);
  expect(queriesOf('requests')).toContainEqual(['requests']);
});
