// SPDX-License-Identifier: Apache-2.0
// What a target that serves tells of itself: lines of JSON for programs, or words for people.
import type { TargetEvent } from '@lunkit/target-api'
import type { LunView } from './target-face/lun.ts'
import { formatBytes } from './units.ts'

/** Tells one thing, as fields and in words; both may come from another process. */
export type Say = (fields: Readonly<Record<string, unknown>>, words: string) => void

/** Told before a target is ready, and so not on standard output, whose first line is "ready". */
const WAITING = 'waiting'

/** JSON goes to standard output, a line each; words to standard error. */
export const sayTo =
  (json: boolean): Say =>
  (fields, words) => {
    if (!json) process.stderr.write(`${words}\n`)
    else {
      const stream = fields['event'] === WAITING ? process.stderr : process.stdout
      stream.write(`${JSON.stringify(fields)}\n`)
    }
  }

/** Tells that a target which is being opened waits for somebody. */
export function sayWaiting(say: Say, reason: string, target?: string): void {
  const of = target === undefined ? '' : `Target ${target}: `
  say({ event: WAITING, ...(target !== undefined && { target }), reason }, `lunkit: ${of}${reason}`)
}

/** Keeps what is told before all is ready until then: somebody may log in earlier. */
export function fromReadyOn(told: Say): { readonly say: Say; begin(): void } {
  let early: Parameters<Say>[] | null = []
  return {
    say: (...words) => {
      if (early === null || words[0]['event'] === WAITING) told(...words)
      else early.push(words)
    },
    begin() {
      early?.forEach(words => void told(...words))
      early = null
    },
  }
}

export function sayEvent(say: Say, { type, ...fields }: TargetEvent): void {
  say({ event: type, ...fields }, eventWords(type, fields))
}

/** `type name=value …`, without what is empty. */
export function eventWords(type: string, fields: Readonly<Record<string, unknown>>): string {
  const words = Object.entries(fields).filter(([, value]) => value !== '' && value !== null)
  return [type, ...words.map(([name, value]) => `${name}=${value}`)].join(' ')
}

/** A line for each LUN that is served: how large it is, its layers as in a LUN argument, and where it is. */
export function lunLines(luns: readonly LunView[]): string {
  const layers = luns.map(layersOf)
  const width = Math.max(...layers.map(({ length }) => length))
  return luns
    .map(({ lun, url, bytes, group }, at) => {
      const to = group === null ? '' : `  (group ${group})`
      // As in `lunkit ls`: an empty drive has no size, nor has a tape.
      const size = bytes === 0 ? '-' : formatBytes(bytes)
      return `LUN ${lun}  ${size.padStart(9)}  ${layers[at]!.padEnd(width)}  ${url}${to}\n`
    })
    .join('')
}

/** That it is a disk goes without saying where it has a store. */
function layersOf({ kind, filters, store }: LunView): string {
  const below = store === null ? filters : [...filters, store]
  return (kind === 'disk' && below.length > 0 ? below : [kind, ...below]).join(':')
}
