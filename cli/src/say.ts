// SPDX-License-Identifier: Apache-2.0
// What a target that serves tells of itself: lines of JSON for programs, or words for people.
import type { TargetEvent } from '@lunkit/target-api'
import type { LunView } from './target-face/lun.ts'
import { formatBytes } from './units.ts'

/** Tells one thing, as fields and in words; both may come from another process. */
export type Say = (fields: Readonly<Record<string, unknown>>, words: string) => void

/** JSON goes to standard output, a line each; words to standard error. */
export const sayTo =
  (json: boolean): Say =>
  (fields, words) => {
    if (json) process.stdout.write(`${JSON.stringify(fields)}\n`)
    else process.stderr.write(`${words}\n`)
  }

export function sayEvent(say: Say, { type, ...fields }: TargetEvent): void {
  say({ event: type, ...fields }, eventWords(type, fields))
}

/** `type name=value …`, without what is empty. */
export function eventWords(type: string, fields: Readonly<Record<string, unknown>>): string {
  const words = Object.entries(fields).filter(([, value]) => value !== '' && value !== null)
  return [type, ...words.map(([name, value]) => `${name}=${value}`)].join(' ')
}

/** The line of a LUN that is served. */
export function lunWords({ lun, url, bytes, kind, store, group }: LunView): string {
  // A disk is known by its store, anything else by what it is.
  const what = kind === 'disk' && store !== null ? store : kind
  const to = group === null ? '' : `  (group ${group})`
  return `LUN ${lun}  ${formatBytes(bytes).padStart(9)}  ${what.padEnd(6)}  ${url}${to}`
}
