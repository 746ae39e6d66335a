// SPDX-License-Identifier: Apache-2.0
// The device type user: a unit whose commands another process answers, over a Unix socket.
import { SBC_COMMANDS, SPC_COMMANDS } from '@lunkit/spec'
import {
  type Binding,
  type Device,
  type DeviceType,
  OperatorError,
  on,
  type ParameterTable,
} from '@lunkit/target-api'
import {
  persistentReserveIns,
  persistentReserveOuts,
  reportLuns,
  reserveReleases,
  targetPortGroups,
} from '@lunkit/target-devices/per-nexus'
import { holdOf, WAYS } from './link/ways.ts'
import { forward, UserDevice } from './user-device.ts'

const DISK = 0

const parameters = {
  ...WAYS,
  readonly: { type: 'boolean', help: 'Refuse every write', initial: false },
} as const satisfies ParameterTable

const RESERVATIONS = [...persistentReserveIns, ...persistentReserveOuts, ...reserveReleases]

const keyOf = ({ command: { opcode, serviceAction } }: Binding): string => `${opcode}/${serviceAction}`

/**
 * For a disk, the engine reads each command's row: reserved bits, blocks, order and write protection are decided there. Other
 * types have their commands as they come, in their order.
 */
function bindingsOf(peripheralType: number, reserves: boolean): readonly Binding[] {
  const own = [reportLuns, ...targetPortGroups, ...(reserves ? [] : RESERVATIONS)]
  if (peripheralType !== DISK) return own
  const taken = new Set(own.map(keyOf))
  const rows = [...SPC_COMMANDS, ...SBC_COMMANDS].map(command =>
    on(command, forward, {
      dataOut: (task, device: Device) => Math.min(task.expectedOut, device.maxTransfer),
      zeroIsRest: command.name.startsWith('WRITE SAME'),
    }),
  )
  return [...own, ...rows.filter(one => !taken.has(keyOf(one)))]
}

export const device: DeviceType = {
  apiVersion: 1,
  name: 'user',
  peripheralType: DISK,
  parameters,
  bindings: bindingsOf(DISK, false),
  otherwise: forward,
  hold: holdOf,
  async open(store, values) {
    if (store !== null) {
      throw new OperatorError('LUN_ARGUMENT', 'A user device has no store', {
        hint: 'the handler has the blocks; for one that only reads and writes them name handler:SOCKET',
      })
    }
    const opened = new UserDevice(values)
    await opened.open(({ type, reservations }) => ({
      ...device,
      peripheralType: type,
      bindings: bindingsOf(type, reservations === true),
    }))
    return opened
  },
}
