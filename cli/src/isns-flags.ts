// SPDX-License-Identifier: Apache-2.0
// Flags of `lunkit serve` that name iSNS servers.
import type { TargetOptions } from './target-face/create-target.ts'
import { UsageError } from './usage-error.ts'

export interface IsnsFlags {
  readonly isns?: string[]
  readonly isnsEntity?: string
}

/** As createTarget takes them. Throws UsageError: an entity without a server. */
export function isnsOptions({ isns: servers, isnsEntity: entity }: IsnsFlags): Pick<TargetOptions, 'isns'> {
  if (servers !== undefined) return { isns: { servers, ...(entity !== undefined && { entity }) } }
  if (entity === undefined) return {}
  throw new UsageError('ISNS_SERVER', 'An iSNS entity is named, but no server', 'add --isns HOST')
}
