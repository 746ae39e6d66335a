// SPDX-License-Identifier: Apache-2.0
// What is served already, by what no two units may share: a new one is looked up, not compared with each.
import { OperatorError } from '@lunkit/target-api'
import type { LunSpec } from './lun-spec.ts'
import type { OpenedLun } from './open-lun.ts'

export class ServedUnits {
  /** One of each: those of one serial have one storage, or they would not be here. */
  readonly #bySerial: Map<string, OpenedLun> = new Map()
  readonly #byStorage: Map<string, OpenedLun> = new Map()
  /** Objects of a program that units write to. */
  readonly #written: Set<unknown> = new Set()

  constructor(units: Iterable<OpenedLun> = []) {
    for (const one of units) this.add(one)
  }

  add(one: OpenedLun): void {
    this.#bySerial.set(one.identity.serial, one)
    this.#byStorage.set(one.storage, one)
    if (writes(one.spec)) this.#written.add(one.spec.object)
  }

  /** Two disks of one serial would be one to multipath software, which then mixes them. Throws OperatorError. */
  refuseTwin({ spec, storage, identity }: Pick<OpenedLun, 'spec' | 'storage' | 'identity'>): void {
    const twin = this.#bySerial.get(identity.serial)
    if (twin === undefined || twin.storage === storage) return
    throw new OperatorError(
      'SERIAL_TWICE',
      `'${twin.spec.label}' and '${spec.label}' have one serial number`,
      { hint: 'give each its own, or none' },
    )
  }

  /** Behind two LUNs a real unit would have two orders and two sets of reservations. Throws OperatorError. */
  refuseTwice({ label }: LunSpec, storage: string): void {
    const twin = this.#byStorage.get(storage)
    if (twin === undefined) return
    throw new OperatorError('UNIT_TWICE', `'${label}' is the unit of '${twin.spec.label}'`, {
      hint: 'give it once; a group of initiators can see it under another number',
    })
  }

  /** Two units that write to one object would each order and close it alone. Throws OperatorError. */
  refuseShared(one: LunSpec): void {
    if (!writes(one) || !this.#written.has(one.object)) return
    throw new OperatorError('OBJECT_TWICE', `'${one.label}': this storage object is served already`, {
      hint: 'to show it at a second place, give addLun the Lun that it is; or serve it readonly there',
    })
  }
}

const writes = ({ object, keys }: LunSpec): boolean =>
  object?.write !== undefined && !('canWrite' in object && !object.canWrite) && keys['readonly'] !== 'yes'
