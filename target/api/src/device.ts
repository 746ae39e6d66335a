// SPDX-License-Identifier: Apache-2.0
// The contract of a SCSI device type: its command set as bindings, its pages, and the opened device.
import type { Command, Field, FieldRows, SenseCode } from '@lunkit/spec'
import type { BackingStore, Hold } from './backing-store.ts'
import type { ControlPolicies } from './control-policies.ts'
import type { Controls } from './controls.ts'
import type { MediumDrive } from './medium-drive.ts'
import type { Identity, LogicalUnit, Nexus } from './nexus.ts'
import type { ParameterTable, ParameterValues } from './parameters.ts'
import type { Task } from './task.ts'

// biome-ignore lint/suspicious/noExplicitAny: rows of different fields share one table
type AnyCommand = Command<any>

/** A command row joined to the function that performs it, with what the engine needs at hand. */
export interface Binding {
  readonly command: AnyCommand
  /** Called with checks, order and data done; MUST end the task exactly once (`succeed`, `reply`, `fail`, …). */
  readonly run: (task: Task, device: Device) => void
  /** CDB bits that this device takes: the row's usage without the refused fields. */
  readonly usage: Uint8Array
  readonly lba: Field<number> | null
  readonly blocks: Field<number> | null
  /** A zero in `blocks` means 256 (the 6-byte commands). */
  readonly zeroIs256: boolean
  /** A zero in `blocks` means all blocks from `lba` on (WRITE SAME). */
  readonly zeroIsRest: boolean
  readonly parameterLength: Field<number> | null
  /** Data-out bytes the command needs, where the row's blocks or parameter length do not tell; or null. */
  readonly dataOut: ((task: Task, device: Device) => number) | null
  /** Whether this nexus has the command at all: else it is as unknown as one without a binding; or null, always. */
  readonly offered: ((task: Task, device: Device) => boolean) | null
  /** Memory for data-in, in bytes, where the row's blocks do not tell; or null. */
  readonly memoryIn: ((task: Task, device: Device) => number) | null
}

export interface BindingOptions<D, K> {
  /** Fields of the row that this device does not support: any bit of them is INVALID FIELD IN CDB. */
  readonly refuses?: readonly K[]
  readonly dataOut?: (task: Task, device: D) => number
  readonly zeroIsRest?: boolean
  /** For commands that depend on how the target is set up: without it they always are. */
  readonly offered?: (task: Task, device: D) => boolean
}

/** Binds a command row to its function. */
export function on<D extends Device, const R extends FieldRows>(
  command: Command<R>,
  run: (task: Task, device: D) => void,
  options: BindingOptions<D, keyof R & string> = {},
): Binding {
  const fields = command.cdb.field as unknown as Record<string, Field<number>>
  const usage = Uint8Array.from(command.cdb.usage)
  for (const name of options.refuses ?? []) clearField(usage, fields[name]!)
  return Object.freeze({
    command,
    run: run as unknown as Binding['run'],
    usage,
    lba: fields['lba'] ?? null,
    blocks: fields['blocks'] ?? null,
    zeroIs256: command.length === 6,
    zeroIsRest: options.zeroIsRest ?? false,
    parameterLength: fields['parameterLength'] ?? null,
    dataOut: (options.dataOut as Binding['dataOut'] | undefined) ?? null,
    offered: (options.offered as Binding['offered'] | undefined) ?? null,
    memoryIn: null,
  })
}

function clearField(usage: Uint8Array, field: Field<number>): void {
  let { byte, bit } = field
  for (let left = field.width; left > 0; left--) {
    usage[byte]! &= ~(1 << bit)
    if (bit-- === 0) {
      bit = 7
      byte++
    }
  }
}

/** A SCSI device type: its command set is a list, and nothing else is dispatched. Stateless. */
export interface DeviceType {
  readonly apiVersion: 1
  readonly name: string
  /** SPC peripheral device type. */
  readonly peripheralType: number
  readonly parameters: ParameterTable
  /**
   * MAY. Its store is a medium that comes and goes (`Device.drive`) and that it never writes to: stores are opened for reading, and the
   * unit is named after where it is served.
   */
  readonly changesMedium?: true
  readonly bindings: readonly Binding[]
  /** MAY. Takes every command that no binding names (pass-through, absent units). */
  readonly otherwise?: (task: Task, device: Device) => void
  /** MAY, of a device without a store: as a store's. */
  hold?(values: ParameterValues): Promise<Hold>
  /** MAY. Bytes of a second store that a device of these values wants for what it keeps beside the blocks; or 0. */
  besideBytes?(store: BackingStore, values: ParameterValues): number
  /**
   * Rejects with OperatorError if stores and values do not fit each other, and has closed none of them then. `beside`
   * is the store that `besideBytes` asked for; it may be of another size.
   */
  open(store: BackingStore | null, values: ParameterValues, beside?: BackingStore | null): Promise<Device>
}

/** What has a whole unit to itself: a format or sanitize operation, or the failure of one. */
export interface Occupation {
  /** What the commands end with that do not run meanwhile. */
  readonly code: SenseCode
  /** How far it is, 0 to 65535; -1 if nobody can tell. */
  readonly progress: number
  /** It failed: the rows with `recovers` run now, and may end it. */
  readonly failed: boolean
}

/** One opened device. */
export interface Device {
  readonly type: DeviceType
  /** Logical block size in bytes and their number; 0 and 0 for a device without blocks. */
  readonly blockSize: number
  readonly blocks: number
  readonly writable: boolean
  /** Longest transfer of one command, in bytes. */
  readonly maxTransfer: number
  /** Why the rows that need a ready unit do not run now (stopped, no medium), or null. The engine looks before each command. */
  readonly notReady: SenseCode | null
  /** What else keeps commands from running: then only rows with `always` do. Null: nothing. */
  readonly occupied: Occupation | null
  /** What the control mode page tells the engine to do. Changed in place by the device; read for every command. */
  readonly policies: Readonly<ControlPolicies>
  /** MAY, of a device without a store: what tells its storage from all others, as a store's identity does. */
  readonly identity?: string
  /** MAY, of a device that has names of its own (a real unit): those that it has. The operator's take their place. */
  readonly names?: Partial<Identity>
  /** MAY. What keeps its medium, for those who change its size. */
  readonly store?: BackingStore | undefined
  /** MAY. For those who change the medium itself. */
  readonly drive?: MediumDrive
  /** MAY. What an operator can have it do while it is used, beside what its store can. */
  readonly controls?: Controls
  /**
   * MAY. Takes `bytes` as the size of its medium, raises CAPACITY DATA HAS CHANGED if it is another one, and returns
   * whether it is. Called when the store has grown, and before it shrinks: then commands beyond the new end are refused
   * from now on, and those under way still end. Throws OperatorError if it cannot have that size.
   */
  resized?(bytes: number): boolean
  /** Told once, by the engine, which unit it has become. */
  attach(unit: LogicalUnit): void
  /** MUST hurry the end of a task in state execute, if it can; the task still ends once, with any result. */
  abort(task: Task): void
  /** Logical unit reset: back to saved or default state. */
  reset(): void
  /** A nexus is gone: forget what was kept for it. */
  nexusLost(nexus: Nexus): void
  /** All tasks have ended. Flushes and closes the store. */
  close(): Promise<void>
}
