// SPDX-License-Identifier: Apache-2.0
// Control lines out of a stream of bytes: never more of them in memory than one chunk and one line.
import type { Readable } from 'node:stream'
import { OperatorError } from '@lunkit/target-api'

/** Longest line, in bytes. */
export const LONGEST_LINE = 16_384

export interface Line {
  /** Empty where it is too long. */
  readonly text: string
  /** Why it is not to be obeyed; `unended`: the stream ended within it. */
  readonly fault: 'tooLong' | 'unended' | null
}

const LINE_FEED = 10
const NONE = Buffer.alloc(0)
const TOO_LONG: Line = { text: '', fault: 'tooLong' }

/** Nothing is read on while a line is looked at. What follows a line that is too long begins behind its end. */
export async function* linesOf(input: Readable): AsyncGenerator<Line> {
  let held: Buffer = NONE
  let skips = false
  // A socket whose peer has said all may still be answered: its end is not ours.
  for await (const chunk of input.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    let bytes: Buffer = held.length === 0 ? chunk : Buffer.concat([held, chunk])
    for (let end = bytes.indexOf(LINE_FEED); end >= 0; end = bytes.indexOf(LINE_FEED)) {
      const line = bytes.subarray(0, end)
      bytes = bytes.subarray(end + 1)
      if (!skips) yield line.length > LONGEST_LINE ? TOO_LONG : { text: line.toString(), fault: null }
      skips = false
    }
    if (bytes.length > LONGEST_LINE) {
      if (!skips) yield TOO_LONG
      skips = true
    }
    held = skips ? NONE : Buffer.from(bytes)
  }
  if (held.length > 0) yield { text: held.toString(), fault: 'unended' }
}

/** A line that is only to be read, and what stands behind a command; `disc#2.iso` and `#2.iso` are names. */
const COMMENT = /^\s*#.*|\s#(\s.*)?$/s

/** A line without its comment and the blanks around it; empty if there is nothing to obey. */
export const commandIn = (line: string): string => line.replace(COMMENT, '').trim()

/** What its sender is told. */
export const faultOf = (fault: 'tooLong' | 'unended'): OperatorError =>
  fault === 'tooLong'
    ? new OperatorError('CONTROL_LINE', `A line has more than ${LONGEST_LINE} bytes`, {
        hint: 'write a shorter one',
      })
    : new OperatorError('CONTROL_LINE', 'The last line has no end, and is not obeyed', {
        hint: 'end it with a line feed',
      })
