// SPDX-License-Identifier: Apache-2.0
// `lunkit read`: bytes of a LUN into a file or to standard output.
import { Command } from 'commander'
import { type ConnectionFlags, connectOptions, withConnection } from '../connection-options.ts'
import { requireLun } from '../transfer/endpoint.ts'
import { transfer } from '../transfer/run.ts'
import { parseBytes } from '../units.ts'

interface ReadFlags extends ConnectionFlags {
  readonly offset: string
  readonly length?: string
  readonly output: string
}

export function build(): Command {
  return withConnection(new Command('read'))
    .argument('<url>', 'the LUN')
    .option('--offset <bytes>', 'where to begin', '0')
    .option('--length <bytes>', 'how much; all that follows if not given')
    .option('-o, --output <file>', 'where to; - is standard output', '-')
    .action(async (url: string, flags: ReadFlags) =>
      transfer({
        source: requireLun(url),
        sink: flags.output,
        from: parseBytes('--offset', flags.offset),
        to: 0,
        length: flags.length === undefined ? null : parseBytes('--length', flags.length),
        options: await connectOptions(flags, url),
        json: flags.json === true,
      }),
    )
}
