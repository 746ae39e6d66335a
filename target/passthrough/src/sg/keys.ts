// SPDX-License-Identifier: Apache-2.0
// Keys of a SCSI device of this machine.
import type { ParameterTable } from '@lunkit/target-api'

export const SG_KEYS = {
  force: { type: 'boolean', help: 'Also a disk that this machine itself uses' },
} as const satisfies ParameterTable
