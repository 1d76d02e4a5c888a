/** What a browser calls itself, in a few words. Most say that they are others as well, so the rarest word counts. */
const NAMES = [['Edg', 'Edge'], ['OPR', 'Opera'], ['Firefox', 'Firefox'], ['Chrome', 'Chrome'], ['Safari', 'Safari']] as const;
const SYSTEMS = [['iPhone', 'iPhone'], ['iPad', 'iPad'], ['Android', 'Android'], ['Windows', 'Windows'], ['Macintosh', 'Mac'], ['Linux', 'Linux']] as const;

export function browser(agent: string | null | undefined): string {
  if (!agent) return '';
  const name = NAMES.find(([word]) => agent.includes(`${word}/`))?.[1];
  const system = SYSTEMS.find(([word]) => agent.includes(word))?.[1];
  return [name, system].filter(Boolean).join(' · ') || agent.slice(0, 60);
}
