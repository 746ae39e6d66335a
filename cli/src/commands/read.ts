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

const HELP = `
Bytes are a number such as 4096, or 64K, 1M, 10G (powers of 1024); they need not be whole blocks.

  lunkit read iscsi://10.0.0.1/iqn.2000-01.org.example:disk/0 --length 512 | od -c
  lunkit read iscsi://10.0.0.1/iqn.2000-01.org.example:disk/0 --offset 1M --length 64K -o part.bin`

export function build(): Command {
  return withConnection(new Command('read'))
    .addHelpText('after', HELP)
    .argument('<url>', 'the LUN, iscsi://HOST/TARGET/LUN')
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
