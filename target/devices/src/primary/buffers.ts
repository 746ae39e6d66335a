// SPDX-License-Identifier: Apache-2.0
// READ BUFFER and WRITE BUFFER: one data buffer for all, and an echo buffer for each nexus.
import {
  INVALID_FIELD_IN_CDB,
  PARAMETER_LIST_LENGTH_ERROR,
  READ_BUFFER_10,
  READ_BUFFER_16,
  WRITE_BUFFER,
} from '@lunkit/spec'
import type { Nexus } from '@lunkit/target-api'
import { type Binding, fail, on, reply, succeed, type Task } from '@lunkit/target-api'
import type { PrimaryDevice } from './primary-device.ts'

/** MODE of both commands (SPC-4). Microcode cannot be loaded: there is none that a command could change. */
const Mode = { combined: 0x00, data: 0x02, descriptor: 0x03, echo: 0x0a, echoDescriptor: 0x0b } as const

const DATA_BYTES = 64 * 1024
const ECHO_BYTES = 4096
/** OFFSET BOUNDARY: powers of two; this one is a byte. */
const ANY_OFFSET = 0
/** Header of combined mode: a reserved byte, and the capacity. */
const HEADER = 4
/** EBOS: no other nexus writes into the echo buffer of this one. */
const EBOS = 1

/** What one unit keeps. Nothing is allocated until it is used. */
export class Buffers {
  #data: Buffer | null = null
  readonly #echoes = new Map<Nexus, Buffer>()

  get data(): Buffer {
    this.#data ??= Buffer.alloc(DATA_BYTES)
    return this.#data
  }

  /** What this nexus wrote last, or null. */
  echo(nexus: Nexus): Buffer | null {
    return this.#echoes.get(nexus) ?? null
  }

  setEcho(nexus: Nexus, bytes: Buffer): void {
    this.#echoes.set(nexus, bytes)
  }

  nexusLost(nexus: Nexus): void {
    this.#echoes.delete(nexus)
  }

  /** After a reset nothing is left. */
  clear(): void {
    this.#data = null
    this.#echoes.clear()
  }
}

type ReadFields = typeof READ_BUFFER_10.cdb.field | typeof READ_BUFFER_16.cdb.field

function readBuffer(task: Task, { buffers }: PrimaryDevice, fields: ReadFields) {
  const { cdb } = task
  const room = fields.allocation.get(cdb, 0)
  const mode = fields.mode.get(cdb, 0)
  const offset = fields.offset.get(cdb, 0)
  if (fields.modeSpecific.get(cdb, 0) !== 0) return fail(task, INVALID_FIELD_IN_CDB, fields.modeSpecific)
  switch (mode) {
    case Mode.combined:
      if (fields.bufferId.get(cdb, 0) !== 0) return fail(task, INVALID_FIELD_IN_CDB, fields.bufferId)
      if (offset !== 0) return fail(task, INVALID_FIELD_IN_CDB, fields.offset)
      return reply(task, Buffer.concat([capacityOf(HEADER), buffers.data]), room)
    case Mode.data:
      if (fields.bufferId.get(cdb, 0) !== 0) return fail(task, INVALID_FIELD_IN_CDB, fields.bufferId)
      if (offset > DATA_BYTES) return fail(task, INVALID_FIELD_IN_CDB, fields.offset)
      return reply(task, Buffer.from(buffers.data.subarray(offset)), room)
    case Mode.descriptor: {
      // SPC-4: of a buffer that is not there, a descriptor of zeros.
      if (fields.bufferId.get(cdb, 0) !== 0) return reply(task, Buffer.alloc(4), room)
      const descriptor = capacityOf(4)
      descriptor[0] = ANY_OFFSET
      return reply(task, descriptor, room)
    }
    case Mode.echo: {
      const echo = buffers.echo(task.nexus)
      // SPC-4 asks for a write before; there is nothing to bring back.
      if (echo === null) return fail(task, INVALID_FIELD_IN_CDB, fields.mode)
      return reply(task, Buffer.from(echo), room)
    }
    case Mode.echoDescriptor:
      return reply(task, Buffer.from([EBOS, 0, ECHO_BYTES >> 8, ECHO_BYTES & 0xff]), room)
    default:
      fail(task, INVALID_FIELD_IN_CDB, fields.mode)
  }
}

/** The data buffer's capacity in bytes 1 to 3. */
function capacityOf(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  bytes.writeUIntBE(DATA_BYTES, 1, 3)
  return bytes
}

const write = WRITE_BUFFER.cdb.field

function writeBuffer(task: Task, { buffers }: PrimaryDevice) {
  const { cdb } = task
  const length = write.parameterLength.get(cdb, 0)
  const offset = write.offset.get(cdb, 0)
  const mode = write.mode.get(cdb, 0)
  if (write.modeSpecific.get(cdb, 0) !== 0) return fail(task, INVALID_FIELD_IN_CDB, write.modeSpecific)
  if (mode !== Mode.combined && mode !== Mode.data && mode !== Mode.echo) {
    return fail(task, INVALID_FIELD_IN_CDB, write.mode)
  }
  if (mode !== Mode.echo && write.bufferId.get(cdb, 0) !== 0) {
    return fail(task, INVALID_FIELD_IN_CDB, write.bufferId)
  }
  if (mode !== Mode.data && offset !== 0) return fail(task, INVALID_FIELD_IN_CDB, write.offset)
  if (offset > DATA_BYTES) return fail(task, INVALID_FIELD_IN_CDB, write.offset)
  const head = mode === Mode.combined ? HEADER : 0
  const capacity = head + (mode === Mode.echo ? ECHO_BYTES : DATA_BYTES - offset)
  if (length > capacity) return fail(task, INVALID_FIELD_IN_CDB, write.parameterLength)
  const bytes = Buffer.concat(task.segments, Math.min(task.received, task.outLength))
  if (bytes.length < length || (length > 0 && length < head)) return fail(task, PARAMETER_LIST_LENGTH_ERROR)
  if (mode === Mode.echo) buffers.setEcho(task.nexus, bytes)
  else if (length > 0) bytes.copy(buffers.data, offset, head)
  succeed(task)
}

export const bufferCommands: readonly Binding[] = [
  on(READ_BUFFER_10, (task: Task, device: PrimaryDevice) =>
    readBuffer(task, device, READ_BUFFER_10.cdb.field),
  ),
  on(READ_BUFFER_16, (task: Task, device: PrimaryDevice) =>
    readBuffer(task, device, READ_BUFFER_16.cdb.field),
  ),
  on(WRITE_BUFFER, writeBuffer, { dataOut: writeLength }),
]

/** What does not fit in any buffer is refused without being brought. */
function writeLength(task: Task): number {
  const length = write.parameterLength.get(task.cdb, 0)
  return length > DATA_BYTES + HEADER ? 0 : length
}
