// SPDX-License-Identifier: Apache-2.0
// `lunkit copy`: between LUNs and files, either way.
import { Command } from 'commander'
import { type ConnectionFlags, connectOptions, withConnection } from '../connection-options.ts'
import { isLun } from '../transfer/endpoint.ts'
import { transfer } from '../transfer/run.ts'
import { UsageError } from '../usage-error.ts'

const HELP = `
What was in a file stays until the first bytes have come; then all of it is made anew. What was written is durable at the end.

  lunkit copy iscsi://10.0.0.1/iqn.2000-01.org.example:disk/0 disk.img
  lunkit copy disk.img iscsi://10.0.0.1/iqn.2000-01.org.example:disk/0`

export function build(): Command {
  return withConnection(new Command('copy'))
    .addHelpText('after', HELP)
    .argument('<from>', 'a LUN or a file')
    .argument('<to>', 'a LUN or a file; a file is made anew, with holes for zeros')
    .action(async (from: string, to: string, flags: ConnectionFlags) => {
      if (!isLun(from) && !isLun(to)) {
        throw new UsageError('USAGE', 'Neither side is a LUN', 'name at least one as iscsi://HOST/TARGET/LUN')
      }
      if (from === to) throw new UsageError('USAGE', 'Both sides are the same', 'name two different ones')
      const options = await connectOptions(flags, from, to)
      await transfer({
        source: from,
        sink: to,
        from: 0,
        to: 0,
        length: null,
        options,
        json: flags.json === true,
      })
    })
}
