/** Checks of the log, told step by step: what was compared with what, and whether it fits. */
import { Button } from '@mantine/core';
import { IconCheck, IconShieldCheck, IconX } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { away, count, moment } from '../../lib/format.ts';
import { useWhy } from '../../lib/hooks.ts';
import { vault } from '../../lib/vault.ts';
import { Note } from '../../ui/pieces.tsx';
import type { TrailCheck, TrailStep } from '../../vault-worker/api.ts';
import { useActionName } from './activity.ts';

export function Verify() {
  const { t } = useTranslation();
  const why = useWhy();
  const verify = useMutation({ mutationFn: () => vault.verifyTrail() });
  return (
    <section className="card no-print" aria-label={t('activity.verify')}>
      <div className="between">
        <div className="grow"><h2 style={{ margin: '0 0 4px' }}>{t('activity.verify')}</h2><p className="muted" style={{ margin: 0, maxWidth: '62ch' }}>{t('activity.verify_more')}</p></div>
        <Button variant="default" leftSection={<IconShieldCheck size={18} />} loading={verify.isPending} onClick={() => verify.mutate()}>{t('activity.verify_do')}</Button>
      </div>
      {verify.error ? <div style={{ marginTop: 14 }}><Note tone="bad"><p>{why(verify.error)}</p></Note></div> : null}
      {verify.data ? <Checked check={verify.data} /> : null}
    </section>
  );
}

export function Checked({ check }: { check: TrailCheck }) {
  const { t } = useTranslation();
  const looked = check.steps.some((step) => step.what === 'consistency');
  return (
    <div className="stack-s" style={{ marginTop: 14 }}>
      <div role="status"><Note tone={check.verdict === 'whole' ? 'good' : 'bad'}><p>{t(`activity.verdict_${check.verdict}`)} {check.verdict === 'whole' && !looked ? t('activity.first_look') : ''}</p></Note></div>
      <details open={check.verdict !== 'whole'} className="checked">
        <summary>{t('activity.checked')} ({check.steps.length})</summary>
        <ol className="list small">{check.steps.map((step, at) => <Step key={at} step={step} />)}</ol>
      </details>
    </div>
  );
}

function Step({ step }: { step: TrailStep }) {
  const { t } = useTranslation();
  const fits = step.verdict === 'whole';
  const { title, more, hashes } = useStep(step);
  return (
    <li className="step">
      <span className={fits ? 'mark good' : 'mark bad'}>{fits ? <IconCheck size={15} aria-hidden /> : <IconX size={15} aria-hidden />}<span className="vh">{t(fits ? 'activity.fits' : 'activity.fits_not')}</span></span>
      <div className="grow">
        <b>{title}</b>
        {step.verdict === 'whole' ? null : <p className="urgent">{t(`activity.verdict_${step.verdict}`)}</p>}
        {fits || step.what === 'checkpoint' ? <p className="muted">{more}</p> : null}
        {hashes.map(([label, hash]) => <p key={label} className="muted">{label} <span className="key">{hash}</span></p>)}
      </div>
    </li>
  );
}

function useStep(step: TrailStep): { title: string; more: string; hashes: [string, string][] } {
  const { t } = useTranslation();
  const action = useActionName();
  if (step.what === 'checkpoint') {
    if (!step.origin) return { title: t('activity.step_checkpoint'), more: '', hashes: [] };
    return { title: t('activity.step_checkpoint'), more: t('activity.step_checkpoint_more', { origin: step.origin, size: count(step.size), signer: step.signer }), hashes: [[t('activity.hash'), step.root], [t('activity.log_key'), step.key]] };
  }
  if (step.what === 'entry') {
    return {
      title: t('activity.step_entry', { entry: step.entry, action: action(step.action), when: moment(step.at) }),
      more: t('activity.step_entry_more', { hashes: step.hashes, size: count(step.size) }),
      hashes: [[t('activity.hash'), step.leaf]],
    };
  }
  const when = step.met_at ? away(step.met_at) : t('activity.before');
  const grown = step.from !== step.to;
  return {
    title: t('activity.step_consistency', { from: count(step.from), to: count(step.to) }),
    more: t(grown ? 'activity.step_consistency_more' : 'activity.step_consistency_same', { when, hashes: step.hashes }),
    hashes: grown || step.verdict !== 'whole' ? [[String(count(step.from)), step.from_root], [String(count(step.to)), step.to_root]] : [],
  };
}
