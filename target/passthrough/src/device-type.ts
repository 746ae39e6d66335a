// SPDX-License-Identifier: Apache-2.0
// The device type `passthrough`: its keys, and how a real unit is opened and becomes a device with a command set of its own.
import { Qualifier, STANDARD_INQUIRY } from '@lunkit/spec'
import {
  type Device,
  type DeviceType,
  OperatorError,
  type ParameterTable,
  type ParameterValues,
} from '@lunkit/target-api'
import { bindingsOf, otherwise, TYPES } from './bindings.ts'
import { type BridgeOpeners, findOpener, type OpenedBridge } from './opener.ts'
import { PassedUnit } from './passed-unit.ts'
import { askFacts, type Facts, takeAttentions } from './questions.ts'

const OWN = {
  unit: {
    type: 'string',
    help: 'Which unit: iscsi://[USER@]HOST[:PORT]/TARGET/LUN, or /dev/sgN',
    argument: true,
    required: true,
  },
  timeout: {
    type: 'integer',
    help: 'Seconds that the unit may take for a request (four hours for what takes hours)',
    initial: 60,
    least: 1,
    most: 1_000_000,
  },
  wait: {
    type: 'integer',
    help: 'Seconds that requests wait for a unit that is away',
    initial: 20,
    least: 0,
    most: 1_000_000,
  },
  reservations: {
    type: 'string',
    help: 'own: each initiator has its own, kept by lunkit; unit: the real unit keeps one for all',
    choices: ['own', 'unit'],
    initial: 'own',
  },
  readonly: { type: 'boolean', help: 'Refuse commands that write', initial: false },
  performance: {
    type: 'boolean',
    help: 'For measuring: READ and WRITE succeed without touching the unit',
    initial: false,
  },
} as const satisfies ParameterTable

/** The device type, with these ways to real units. */
export function passthrough(openers: BridgeOpeners): DeviceType {
  const parameters: ParameterTable = Object.assign(
    {},
    ...Object.values(openers).map(one => one.parameters),
    OWN,
  )
  const type: DeviceType = {
    apiVersion: 1,
    name: 'passthrough',
    peripheralType: 0,
    parameters,
    bindings: [],
    otherwise,
    open: (_store, values) => open(type, openers, values),
  }
  return type
}

async function open(type: DeviceType, openers: BridgeOpeners, values: ParameterValues): Promise<Device> {
  const where = String(values['unit'])
  const opener = findOpener(openers, where)
  refuseOthersKeys(type, openers, opener.parameters, values)
  const settings = {
    timeout: Number(values['timeout']) * 1000,
    wait: Number(values['wait']) * 1000,
    readonly: values['readonly'] === true,
  }
  const opened = await opener.open(where, values)
  const options = {
    ownReservations: values['reservations'] !== 'unit',
    performance: values['performance'] === true,
  }
  // Until it is known what the unit is, it can only be asked.
  const asked = new PassedUnit(type, opened, NOBODY, settings)
  try {
    const facts = await askFacts(asked.ask)
    checkType(facts, opened)
    const { peripheralType } = facts
    const own = { ...type, peripheralType, bindings: bindingsOf(peripheralType, options) }
    asked.become(own, facts)
    await takeAttentions(asked.ask)
    await asked.learn()
    return asked
  } catch (error) {
    await asked.close()
    if (error instanceof OperatorError) throw error
    throw new OperatorError(
      'PASSTHROUGH_AWAY',
      `${opened.identity} does not answer: ${String(error instanceof Error ? error.message : error)}`,
      {
        hint: 'see whether the unit is ready, and what its own host or target says of it',
      },
    )
  }
}

const NOBODY: Facts = { standard: Buffer.alloc(36), peripheralType: 0x1f, pages: new Map() }

function checkType({ standard, peripheralType }: Facts, { identity }: OpenedBridge): void {
  if (STANDARD_INQUIRY.field.qualifier.get(standard, 0) !== Qualifier.connected)
    throw new OperatorError('PASSTHROUGH_UNIT', `${identity} is no logical unit`, {
      hint: 'look at its number',
    })
  if (TYPES.includes(peripheralType)) return
  throw new OperatorError(
    'PASSTHROUGH_TYPE',
    `${identity} has the peripheral device type ${hex(peripheralType)}, which cannot be passed through`,
    { hint: `these can: ${TYPES.map(hex).join(', ')}` },
  )
}

const hex = (type: number): string => `${type.toString(16).toUpperCase().padStart(2, '0')}h`

/** A key that only another bridge knows would do nothing. */
function refuseOthersKeys(
  { name }: DeviceType,
  openers: BridgeOpeners,
  own: ParameterTable,
  values: ParameterValues,
): void {
  for (const { parameters } of Object.values(openers)) {
    for (const [key, { initial }] of Object.entries(parameters)) {
      if (Object.hasOwn(own, key) || Object.hasOwn(OWN, key) || !Object.hasOwn(values, key)) continue
      if (values[key] === initial) continue
      throw new OperatorError('LUN_KEY_UNKNOWN', `${name} of this unit has no key '${key}'`, {
        hint: `its keys are ${[...Object.keys(own), ...Object.keys(OWN)].join(', ')}`,
      })
    }
  }
}
