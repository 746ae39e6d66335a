// SPDX-License-Identifier: Apache-2.0
// The device type `passthrough` with all ways to real units: the one place where both subsystems meet.
import { type BridgeOpeners, passthrough, SG_KEYS } from '@lunkit/target-passthrough'
import { ISCSI_KEYS } from './iscsi/keys.ts'

const OPENERS: BridgeOpeners = {
  iscsi: {
    parameters: ISCSI_KEYS,
    open: async (where, values) => (await import('./iscsi/bridge.ts')).openIscsi(where, values),
  },
  sg: {
    parameters: SG_KEYS,
    open: async (where, values) => (await import('@lunkit/target-passthrough/sg')).openSg(where, values),
  },
}

export const device = passthrough(OPENERS)
