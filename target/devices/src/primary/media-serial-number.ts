// SPDX-License-Identifier: Apache-2.0
// READ MEDIA SERIAL NUMBER: the medium is the unit's own.
import { READ_MEDIA_SERIAL_NUMBER } from '@lunkit/spec'
import { on, reply, type Task } from '@lunkit/target-api'
import type { PrimaryDevice } from './primary-device.ts'

const { allocation } = READ_MEDIA_SERIAL_NUMBER.cdb.field
const HEAD = 4

export const readMediaSerialNumber = on(READ_MEDIA_SERIAL_NUMBER, (task: Task, device: PrimaryDevice) => {
  const { serial } = device.unit.identity
  // SPC-4: the length is a multiple of four, filled with zeros.
  const length = Math.ceil(serial.length / 4) * 4
  const bytes = Buffer.alloc(HEAD + length)
  bytes.writeUInt32BE(length, 0)
  bytes.write(serial, HEAD, 'latin1')
  reply(task, bytes, allocation.get(task.cdb, 0))
})
