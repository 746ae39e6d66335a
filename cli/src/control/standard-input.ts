// SPDX-License-Identifier: Apache-2.0
// `lunkit serve --control`: lines of standard input, each obeyed when the one before it has been answered.
import type { Readable } from 'node:stream'
import { commandIn, faultOf, linesOf } from './lines.ts'
import { failed, type Obey, type Reply } from './reply.ts'

/**
 * Obeys the lines of standard input (or `input`). `answered` hears of each what came of it. What stands behind `#` and a blank, and
 * lines that begin with `#`, are comments. Returns how to stop listening.
 */
export function takeCommands(
  obey: Obey,
  answered: (line: string, reply: Reply) => void,
  input: Readable = process.stdin,
): () => void {
  let stopped = false
  const listen = async (): Promise<void> => {
    for await (const { text, fault } of linesOf(input)) {
      if (stopped) return
      const command = commandIn(text)
      if (fault === 'tooLong') answered('', failed(faultOf(fault)))
      else if (command !== '') answered(text, await obey(command))
    }
  }
  listen().catch(error => {
    if (!stopped) answered('', failed(error))
  })
  return () => {
    stopped = true
    input.destroy()
  }
}
