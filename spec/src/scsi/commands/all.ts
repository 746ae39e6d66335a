// SPDX-License-Identifier: Apache-2.0
// The command rows of all standards together. One operation code can stand for several commands, by device type.
import type { Command } from '../command.ts'
import { MMC_COMMANDS } from './mmc.ts'
import { SBC_COMMANDS } from './sbc.ts'
import { SMC_COMMANDS } from './smc.ts'
import { SPC_COMMANDS } from './spc.ts'
import { SSC_COMMANDS } from './ssc.ts'

export const ALL_COMMANDS: readonly Command[] = [
  ...SPC_COMMANDS,
  ...SBC_COMMANDS,
  ...MMC_COMMANDS,
  ...SSC_COMMANDS,
  ...SMC_COMMANDS,
]
