// SPDX-License-Identifier: Apache-2.0
// `lunkit write`: a file or standard input to a LUN; done means durable.
import { Command } from 'commander'
import { type ConnectionFlags, connectOptions, withConnection } from '../connection-options.ts'
import { requireLun } from '../transfer/endpoint.ts'
import { transfer } from '../transfer/run.ts'
import { parseBytes } from '../units.ts'

interface WriteFlags extends ConnectionFlags {
  readonly offset: string
}

const HELP = `
Bytes are a number such as 4096, or 64K, 1M, 10G (powers of 1024); they need not be whole blocks. What is before and behind stays.

  lunkit write iscsi://10.0.0.1/iqn.2000-01.org.example:disk/0 boot.bin
  gunzip < part.gz | lunkit write iscsi://10.0.0.1/iqn.2000-01.org.example:disk/0 --offset 1M`

export function build(): Command {
  return withConnection(new Command('write'))
    .addHelpText('after', HELP)
    .argument('<url>', 'the LUN, iscsi://HOST/TARGET/LUN')
    .argument('[file]', 'what to write; - is standard input', '-')
    .option('--offset <bytes>', 'where on the LUN to begin', '0')
    .action(async (url: string, file: string, flags: WriteFlags) =>
      transfer({
        source: file,
        sink: requireLun(url),
        from: 0,
        to: parseBytes('--offset', flags.offset),
        length: null,
        options: await connectOptions(flags, url),
        json: flags.json === true,
      }),
    )
}
