// SPDX-License-Identifier: Apache-2.0
// From a CDB to the binding of a device type: a slot for each opcode, and for each service action below it.
import {
  type AccessRule,
  type Field,
  INQUIRY,
  type OrderClass,
  REPORT_LUNS,
  REQUEST_SENSE,
} from '@lunkit/spec'
import {
  type Access,
  accessOf,
  type Binding,
  type Device,
  type DeviceType,
  type FieldPlace,
  OperatorError,
  type Task,
} from '@lunkit/target-api'
import { ClassNumber } from './order-matrix.ts'
import { classOf } from './reservations/admission.ts'

/** The worse the state, the higher the level that a command needs to run in it. */
export const ACCESS_LEVEL: Readonly<Record<AccessRule, number>> = Object.freeze({
  active: 0,
  standby: 1,
  unavailable: 2,
  always: 3,
})

export const VARIABLE_LENGTH = 0x7f

/** They leave a unit attention pending, whoever answers them. */
const PASSING: ReadonlySet<number> = new Set([INQUIRY.opcode, REPORT_LUNS.opcode, REQUEST_SENSE.opcode])

/** A binding with what the stages ask of its row, worked out once. */
export class Route implements Binding {
  readonly command: Binding['command']
  readonly run: Binding['run']
  readonly usage: Uint8Array
  readonly lba: Field<number> | null
  readonly blocks: Field<number> | null
  readonly zeroIs256: boolean
  readonly zeroIsRest: boolean
  readonly parameterLength: Field<number> | null
  readonly dataOut: Binding['dataOut']
  readonly offered: Binding['offered']
  readonly memoryIn: Binding['memoryIn']
  /** CDB bits that have to be zero. */
  readonly forbidden: Uint8Array
  /** ClassNumber in the order matrix. */
  readonly order: number
  /** Ends with a pending unit attention instead of running. */
  readonly reportsAttention: boolean
  /** In how bad an asymmetric access state of the port it runs: see `access-rules.ts`. */
  readonly accessLevel: number
  readonly writesMedium: boolean
  readonly readsMedium: boolean
  /** Runs on a unit that is not ready; on one that is occupied; and on one that failed to be sanitized. */
  readonly runsUnready: boolean
  readonly runsAlways: boolean
  readonly recovers: boolean
  /** Its class under reservations. */
  readonly reservationClass: number
  readonly movesIn: boolean
  readonly movesOut: boolean
  readonly access: Access

  constructor(binding: Binding) {
    const { command } = binding
    this.command = command
    this.run = binding.run
    this.usage = binding.usage
    this.lba = binding.lba
    this.blocks = binding.blocks
    this.zeroIs256 = binding.zeroIs256
    this.zeroIsRest = binding.zeroIsRest
    this.parameterLength = binding.parameterLength
    this.dataOut = binding.dataOut
    this.offered = binding.offered
    this.memoryIn = binding.memoryIn
    this.forbidden = binding.usage.map(bits => ~bits)
    // Bits 7 and 6 of the CONTROL byte are vendor specific: not ours to judge.
    this.forbidden[command.opcode === VARIABLE_LENGTH ? 1 : command.length - 1]! &= 0x3f
    this.order = ClassNumber[command.order]
    this.reportsAttention = command.unitAttention === 'reports'
    this.accessLevel = ACCESS_LEVEL[command.access]
    this.writesMedium = command.writes
    this.readsMedium = command.touches === 'medium-read'
    this.runsAlways = command.readiness === 'always'
    this.runsUnready = this.runsAlways || command.readiness === 'unready'
    this.recovers = this.runsAlways || command.readiness === 'recovers'
    this.reservationClass = classOf(command)
    this.movesIn = command.data === 'in' || command.data === 'both'
    this.movesOut = command.data === 'out' || command.data === 'both'
    this.access = accessOf(command)
  }
}

/** Where service actions stand: bits 4-0 of byte 1, or bytes 8-9 of a variable-length CDB. */
const ACTION: FieldPlace = Object.freeze({ byte: 1, bit: 4 })
const LONG_ACTION: FieldPlace = Object.freeze({ byte: 8, bit: 7 })

export class Dispatch {
  readonly #plain: (Route | null)[] = new Array(256).fill(null)
  readonly #actions: (Map<number, Route> | null)[] = new Array(256).fill(null)
  /** Takes what no binding names, or null. Two, because INQUIRY and its like pass a unit attention. */
  readonly #otherwise: Route | null
  readonly #otherwisePassing: Route | null

  /** `present`: the commands without a binding may bring data. Throws OperatorError if two bindings claim one command. */
  constructor(type: DeviceType, present: boolean) {
    for (const binding of type.bindings) this.#add(type, new Route(binding))
    const run = type.otherwise
    this.#otherwise = run === undefined ? null : foreign(run, 'reports', present)
    this.#otherwisePassing = run === undefined ? null : foreign(run, 'passes', present)
  }

  #add(type: DeviceType, route: Route): void {
    const { opcode, serviceAction, name } = route.command
    const actions = this.#actions[opcode]!
    const taken =
      this.#plain[opcode] !== null || (actions !== null && (serviceAction < 0 || actions.has(serviceAction)))
    if (taken) {
      throw new OperatorError('PLUGIN_BINDING', `Device type '${type.name}' binds ${name} twice`, {
        hint: 'keep one binding for each command',
      })
    }
    if (serviceAction < 0) this.#plain[opcode] = route
    else if (actions !== null) actions.set(serviceAction, route)
    else this.#actions[opcode] = new Map([[serviceAction, route]])
  }

  find(cdb: Uint8Array): Route | null {
    const opcode = cdb[0]!
    const plain = this.#plain[opcode]!
    if (plain !== null) return plain
    const actions = this.#actions[opcode]!
    const route = actions?.get(actionOf(cdb)) ?? null
    if (route !== null || this.#otherwise === null) return route
    return PASSING.has(opcode) ? this.#otherwisePassing : this.#otherwise
  }

  /** Where the service action stands that `find` did not find, or null if the opcode itself is unknown. */
  unknownAction(cdb: Uint8Array): FieldPlace | null {
    if (this.#actions[cdb[0]!] === null) return null
    return cdb[0] === VARIABLE_LENGTH ? LONG_ACTION : ACTION
  }
}

function actionOf(cdb: Uint8Array): number {
  return cdb[0] === VARIABLE_LENGTH ? (cdb[8]! << 8) | cdb[9]! : cdb[1]! & 0x1f
}

/** A route without a row: nothing of the CDB is checked, and all data that is offered is taken, or none. */
function foreign(
  run: (task: Task, device: Device) => void,
  rule: 'reports' | 'passes',
  takesData: boolean,
): Route {
  return new Route({
    command: {
      ...INQUIRY,
      name: 'command of another standard',
      opcode: -1,
      data: 'both',
      touches: 'unit',
      // For a real device behind this one, in the order that the attributes ask for; where nobody is, nothing waits.
      order: (takesData ? 'sync' : 'head') satisfies OrderClass,
      reservation: rule === 'passes' ? 'allowed' : 'registrants',
      unitAttention: rule,
      readiness: 'always',
      // Nobody knows: who may only read does not get to try it.
      writes: takesData,
      access: takesData ? 'active' : 'always',
    },
    run,
    usage: new Uint8Array(INQUIRY.length).fill(0xff),
    lba: null,
    blocks: null,
    zeroIs256: false,
    zeroIsRest: false,
    parameterLength: null,
    dataOut: (task, device) => (takesData ? Math.min(task.expectedOut, device.maxTransfer) : 0),
    offered: null,
    memoryIn: takesData ? (task, device) => Math.min(task.expectedIn, device.maxTransfer) : null,
  })
}
