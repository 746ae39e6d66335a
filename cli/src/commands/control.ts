// SPDX-License-Identifier: Apache-2.0
// `lunkit control`: tells a running target one thing, and ends with what came of it.
import { Command } from 'commander'
import { ask } from '../control/ask.ts'
import { CONTROL_HELP } from '../control/dispatcher.ts'
import { commandIn } from '../control/lines.ts'
import { answerWords } from '../control/reply.ts'
import { reportError } from '../exit.ts'
import { printJson } from '../output.ts'
import { UsageError } from '../usage-error.ts'

const HELP = `
SOCKET is what 'lunkit serve' or 'lunkit run' was given as --control-socket. It takes:
${CONTROL_HELP}

'target NAME' may be left out where there is one target. 'lun N' tells what LUN N can be told. Paths begin at the folder in
which the target was started, or at that of the file of 'lunkit run'. It waits for the answer, however long that takes; a
command that is refused has the exit code that it would have on the command line.

  lunkit control ./control lun 0 snapshot monday.overlay
  lunkit control ./control target iqn.2026-11.org.example:mail lun 0 resize 20G
  lunkit control ./control evict initiator=iqn.2026-11.org.example:host1 seconds=30`

export function build(): Command {
  return new Command('control')
    .argument('<socket>', 'its path')
    .argument('<word...>', 'the command')
    .option('--json', 'the answer as JSON')
    .addHelpText('after', HELP)
    .action((socket: string, words: string[], flags: { readonly json?: true }) => tell(socket, words, flags))
}

async function tell(
  socket: string,
  words: readonly string[],
  { json }: { readonly json?: true },
): Promise<void> {
  const reply = await ask(socket, lineOf(words))
  if ('error' in reply) {
    const { code, message, hint } = reply.error
    reportError(new UsageError(code, message, hint))
    process.exitCode = reply.exit
  } else if (json) printJson(reply.answer)
  else process.stdout.write(`${answerWords(reply.answer)}\n`)
}

/** Throws UsageError where the other side would hear less, or more, than was said. */
function lineOf(words: readonly string[]): string {
  const line = words.join(' ')
  const wrong = line.includes('\n')
    ? 'A command is one line'
    : commandIn(line) !== line.trim()
      ? "A '#' by itself, or before all words, begins a comment"
      : line.trim() === ''
        ? 'There is no command'
        : null
  if (wrong === null) return line
  throw new UsageError('CONTROL', wrong, "'lunkit help control' lists the commands")
}
