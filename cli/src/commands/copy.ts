// SPDX-License-Identifier: Apache-2.0
// `lunkit copy`: between LUNs and files, either way.
import { Command } from 'commander'
import { type ConnectionFlags, connectOptions, withConnection } from '../connection-options.ts'
import { isLun } from '../transfer/endpoint.ts'
import { transfer } from '../transfer/run.ts'
import { UsageError } from '../usage-error.ts'

export function build(): Command {
  return withConnection(new Command('copy'))
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
