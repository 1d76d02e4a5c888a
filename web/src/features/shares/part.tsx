/** A titled part of the sharing form. */
import type { ReactNode } from 'react';

export function Part({ title, children }: { title: string; children: ReactNode }) {
  return <fieldset className="part"><legend>{title}</legend>{children}</fieldset>;
}
