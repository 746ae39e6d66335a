// SPDX-License-Identifier: Apache-2.0
// Flags of `lunkit serve` that name iSNS servers.
import type { TargetOptions } from './target-face/create-target.ts'
import { UsageError } from './usage-error.ts'

export interface IsnsFlags {
  readonly isns?: string[]
  readonly isnsEntity?: string
  readonly isnsEsiPort?: string
}

/** As createTarget takes them. Throws UsageError: no server for what is said of it. */
export function isnsOptions(flags: IsnsFlags): Pick<TargetOptions, 'isns'> {
  const { isns: servers, isnsEntity: entity, isnsEsiPort: esiPort } = flags
  if (servers !== undefined) {
    return {
      isns: {
        servers,
        ...(entity !== undefined && { entity }),
        ...(esiPort !== undefined && { esiPort: Number(esiPort) }),
      },
    }
  }
  if (entity === undefined && esiPort === undefined) return {}
  throw new UsageError('ISNS_SERVER', 'An iSNS entity or port is given, but no server', 'add --isns HOST')
}
