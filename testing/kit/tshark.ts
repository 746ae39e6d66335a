// SPDX-License-Identifier: Apache-2.0
// A capture file as Wireshark's dissectors read it, field by field.
import { spawnSync } from 'node:child_process'

/** Frames that `filter` lets through, with the given fields as tshark prints them; several values have commas between. */
export function dissect<F extends string>(
  file: string,
  port: number,
  filter: string,
  fields: readonly F[],
): Record<F, string>[] {
  const words = ['-n', '-r', file, '-d', `tcp.port==${port},iscsi`, '-Y', filter, '-T', 'fields']
  // Checksums are looked at: they are part of what is tested.
  for (const protocol of ['ip', 'tcp']) words.push('-o', `${protocol}.check_checksum:TRUE`)
  for (const field of fields) words.push('-e', field)
  const run = spawnSync('tshark', words, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
  if (run.status !== 0) throw new Error(`tshark ended with ${run.status}: ${run.stderr}`)
  return run.stdout
    .split('\n')
    .filter(line => line !== '')
    .map(line => {
      const values = line.split('\t')
      return Object.fromEntries(fields.map((field, i) => [field, values[i] ?? ''])) as Record<F, string>
    })
}
