// SPDX-License-Identifier: Apache-2.0
// What a store over an export can do, by what its server says.
import type { Ability } from '@lunkit/target-api'
import type { NbdExport } from './handshake.ts'
import { ExportFlag } from './protocol.ts'

export interface Abilities {
  readonly canWrite: boolean
  readonly volatileCache: boolean
  readonly discards: Ability
  readonly writesZeroes: Ability
  readonly discardedReadsZero: boolean
  readonly note: string
}

const NO_FLUSH = 'The NBD server takes no flush: what it has answered is as durable as it makes it'

export function abilitiesOf({ flags }: NbdExport, readonly: boolean): Abilities {
  const has = (flag: number): boolean => (flags & flag) !== 0
  const canWrite = !readonly && !has(ExportFlag.readOnly)
  const volatileCache = canWrite && has(ExportFlag.flush)
  const discards = canWrite && has(ExportFlag.trim) ? 'native' : 'none'
  const zeroes = has(ExportFlag.writeZeroes) ? 'native' : 'emulated'
  return {
    canWrite,
    volatileCache,
    discards,
    writesZeroes: canWrite ? zeroes : 'none',
    // A trim alone promises nothing; zeroes that may be holes do.
    discardedReadsZero: discards === 'native' && zeroes === 'native',
    note: canWrite && !volatileCache ? NO_FLUSH : '',
  }
}
