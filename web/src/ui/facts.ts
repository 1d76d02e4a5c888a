/**
 * A FHIR resource as labels and texts, for one record's own screen. It reads
 * the usual data types and leaves out what is only for machines. Bounded, and
 * tolerant of anything: hostile shapes become nothing.
 */
type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type Fields = { [key: string]: Json };

const HIDDEN = new Set(['resourceType', 'id', 'meta', 'text', 'identifier', 'implicitRules', 'language', 'contained', 'extension', 'modifierExtension', 'subject', 'patient', 'data', 'url']);
const MOST = 60;

const isFields = (value: Json | undefined): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);
const word = (value: Json | undefined): string => (typeof value === 'string' || typeof value === 'number' ? String(value) : '');

function label(key: string): string {
  const bare = key.replace(/(CodeableConcept|Quantity|DateTime|Period|String|Reference|Boolean|Range|Integer|Age)$/, '') || key;
  const spaced = bare.replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase();
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

/** One value in words; empty where it has none. */
function say(value: Json | undefined, depth = 0): string {
  if (value === null || value === undefined || depth > 4) return '';
  if (typeof value === 'boolean') return value ? '✓' : '✗';
  if (typeof value !== 'object') return word(value).slice(0, 2000);
  if (Array.isArray(value)) return value.slice(0, 30).map((one) => say(one, depth + 1)).filter(Boolean).join('\n');
  if (typeof value.text === 'string' && value.text.length < 500) return value.text;
  if (Array.isArray(value.coding)) return say(value.coding.slice(0, 1), depth + 1);
  if (typeof value.display === 'string') return value.display;
  if ('value' in value && ('unit' in value || 'code' in value)) return `${word(value.value)} ${word(value.unit) || word(value.code)}`.trim();
  if ('start' in value || 'end' in value) return [word(value.start).slice(0, 10), word(value.end).slice(0, 10)].join(' – ');
  if (typeof value.reference === 'string') return '';
  if (typeof value.code === 'string') return value.code;
  const parts = Object.entries(value).filter(([key]) => !HIDDEN.has(key) && key !== 'system').slice(0, 12);
  return parts.map(([key, one]) => {
    const text = say(one, depth + 1);
    return text ? `${label(key)}: ${text.replaceAll('\n', ', ')}` : '';
  }).filter(Boolean).join(' · ');
}

export function facts(json: string): [string, string][] {
  let resource: Json;
  try {
    resource = JSON.parse(json) as Json;
  } catch {
    return [];
  }
  if (!isFields(resource)) return [];
  return Object.entries(resource)
    .filter(([key]) => !HIDDEN.has(key) && !key.startsWith('_'))
    .map(([key, value]): [string, string] => [label(key), say(value)])
    .filter(([, text]) => text !== '')
    .slice(0, MOST);
}
