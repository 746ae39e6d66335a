// SPDX-License-Identifier: Apache-2.0
// `lunkit secret`: makes a CHAP secret from random bits alone (RFC 7143, 9.2.1).
import { Command } from 'commander'
import { makeSecret } from '../make-secret.ts'
import { UsageError } from '../usage-error.ts'

const HELP = `
One line on standard output, for --chap-secret-file of the target and of the initiator; nobody else may read that file:

  (umask 077; lunkit secret > secret)`

export function build(): Command {
  return new Command('secret')
    .addHelpText('after', HELP)
    .option(
      '-b, --bits <number>',
      '128 (22 characters), or 96 (16 characters, as Windows takes at most)',
      '128',
    )
    .action(({ bits }: { readonly bits: string }) => {
      if (bits !== '96' && bits !== '128')
        throw new UsageError('OPTION_VALUE', `'${bits}' is no value for --bits`, 'give 96 or 128')
      process.stdout.write(`${makeSecret(Number(bits))}\n`)
    })
}
