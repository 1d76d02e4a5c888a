import { readFileSync } from 'node:fs';
import { extractText, getDocumentProxy, getMeta } from 'unpdf';
import { expect, test } from 'vitest';
import type { ClinicalDocument } from '../vault-worker/api.ts';
import type { Progress } from './job.ts';
import { print, type Store } from './press.ts';

const fetched: string[] = [];

/** The same files, from the folder that they are built from. */
const store: Store = {
  press: async () => WebAssembly.compile(readFileSync('src/press/pkg/chartkey_press_bg.wasm')),
  font: async (name) => {
    fetched.push(name);
    return new Uint8Array(readFileSync(`../crates/paper/pdf/fonts/${name}`));
  },
};

const nothing = { lines: [], more: 0, empty: 'None recorded' };
const origin = { records: ['1'], sources: [0], sensitivity: [] };
const glucose = { title: 'Glucose', unit: 'mg/dL', range: '70–99', band: [0.2, 0.6] as [number, number], spark: [[0, 0.1], [1, 0.9]] as [number, number][] };

const record: ClinicalDocument = {
  patient: { name: 'Ada Doe', birth_date: '1960-02-03', sex: 'female', deceased: null, identifiers: [], details: [] },
  front: { alerts: { ...nothing, empty: null }, allergies: nothing, medicines: nothing, problems: { lines: [{ title: 'Asthma', detail: 'active', date: '2020', urgent: false }], more: 0, empty: null } },
  sections: [{
    key: 'labs', title: 'Laboratory results', tables: [], texts: [],
    series: [{ title: null, series: [{ ...glucose, points: [
      { date: '2024-05-01', time: null, value: '131', flag: 'high', remark: '#panic("никогда") <b>ربو</b>', origin },
      { date: '2023-05-01', time: null, value: '92', flag: null, remark: null, origin },
    ] }] }],
  }],
  sources: [{ name: 'General Hospital', sealed_by_server: true, records: 2, types: [['lab-results', 2]] }],
  sensitivity: [], counts: { records: 2, shown: 2, repeated: 0, entered_in_error: 0, cut: 0 }, notes: [],
};
const notice = {
  patient_name: 'Ada Doe', recipient: 'Dr. Lee', sender: 'Ada Doe', share_id: '01994f3e-8a4b-7c11-9d55-3f2a6b1c0e77', purpose: null, message: 'As we said.',
  generated_at: '2026-11-22T01:25:07Z', expires_at: '2026-12-22T01:25:00Z',
};

/** Text of each page, without white space and places to break. */
const pagesOf = async (pdf: Uint8Array) => (await extractText(await getDocumentProxy(pdf.slice()))).text.map((page) => page.replaceAll(/[\s\u200b]/g, ''));

test('a record is set here as the templates say, and what it says is never markup', { timeout: 120_000 }, async () => {
  const told: Progress[] = [];
  const pdf = await print({ document: record, notice }, store, (at) => told.push(at));
  expect(new TextDecoder().decode(pdf.slice(0, 5))).toBe('%PDF-');
  const pages = await pagesOf(pdf);
  expect(pages.length).toBe(2);
  for (const wanted of ['MEDICALRECORD', 'AdaDoe', 'Asthma', 'ForDr.Lee', '2026-12-2201:25UTC', notice.share_id]) expect(pages[0]).toContain(wanted);
  for (const wanted of ['Glucose', '131', '#panic("никогда")<b>', 'GeneralHospital', 'Page2of2']) expect(pages[1]).toContain(wanted);
  const { info } = await getMeta(pdf.slice());
  expect(info).toMatchObject({ Title: 'Medical record of Ada Doe', Creator: 'Chartkey', Language: 'en' });
  expect(told.at(-1)).toEqual({ stage: 'setting' });
  // Latin and Arabic and the marks; nothing of other scripts.
  expect(fetched).toContain('NotoSansArabic-Regular.ttf');
  expect(fetched).not.toContain('DroidSansFallback.ttf');
});

test('a recovery kit is one page in the words of its owner', { timeout: 120_000 }, async () => {
  const kit = { lang: 'es', title: 'Hoja de recuperación', facts: [['Cuenta', 'ana@example.org']] as [string, string][], code: '7KQ2-M9XV-44TD', about: ['Guárdela con su pasaporte.'], warning: 'Nadie puede devolverla.', made: '2026-11-22T01:25:00Z' };
  const pages = await pagesOf(await print({ kit }, store, () => undefined));
  expect(pages.length).toBe(1);
  for (const wanted of ['Hojaderecuperación', 'ana@example.org', '7KQ2-M9XV-44TD', 'Guárdelaconsupasaporte.', 'Nadiepuededevolverla.']) expect(pages[0]).toContain(wanted);
});

test('what cannot be set fails with a word that says nothing of it', { timeout: 120_000 }, async () => {
  const broken = { ...record, front: null } as unknown as ClinicalDocument;
  await expect(print({ document: broken, notice }, store, () => undefined)).rejects.toMatchObject({ code: 'pdf.compile', message: 'pdf.compile' });
});
