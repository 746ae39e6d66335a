// SPDX-License-Identifier: Apache-2.0
// INQUIRY: the unit's data, with what is lunkit's own put in: ports, port groups, names that the operator gave.
import {
  Association,
  BLOCK_LIMITS,
  DeviceType,
  EXTENDED_INQUIRY,
  INQUIRY,
  LOGICAL_UNIT_NOT_READY_CAUSE_NOT_REPORTABLE,
  MODE_PAGE_POLICY,
  readDesignators,
  STANDARD_INQUIRY,
  VPD_HEADER,
  VpdCode,
} from '@lunkit/spec'
import { fail, type Identity, reply, type Task } from '@lunkit/target-api'
import {
  pathDesignators,
  scsiPortsPage,
  tpgsOf,
  unitDesignators,
  writtenDesignators,
} from '@lunkit/target-devices/per-nexus'
import { refuseLike } from './answer-task.ts'
import type { PassedCommand } from './passed-command.ts'
import type { PassedUnit } from './passed-unit.ts'
import { type Asked, Away, askPage, askStandard, namesOf } from './questions.ts'

const { evpd, pageCode, allocation } = INQUIRY.cdb.field

/** Makes a page of the unit lunkit's; null for one that lunkit does not have to look at. */
type Rewrite = (page: Buffer, device: PassedUnit, task: Task) => Buffer

const PAGES: Readonly<Record<number, Rewrite>> = {
  [VpdCode.supportedPages]: listPages,
  [VpdCode.unitSerialNumber]: serialPage,
  [VpdCode.deviceIdentification]: identification,
  [VpdCode.extendedInquiry]: extended,
  [VpdCode.modePagePolicy]: policies,
  [VpdCode.scsiPorts]: (_page, device, task) => headed(device, VpdCode.scsiPorts, scsiPortsPage(task)),
}

/** Pages that the unit need not have. */
const OWN: ReadonlySet<number> = new Set([
  VpdCode.supportedPages,
  VpdCode.unitSerialNumber,
  VpdCode.deviceIdentification,
  VpdCode.scsiPorts,
])

export function inquire(task: Task, device: PassedUnit, command: PassedCommand): void {
  const code = pageCode.get(task.cdb, 0)
  const isPage = evpd.get(task.cdb, 0) === 1
  if (isPage ? rewriteOf(device, code) === null : code !== 0 || (task.cdb[1]! & 2) !== 0)
    device.take(task, command)
  else if (device.isAway) answerFromMemory(task, device, isPage ? code : -1)
  else {
    const asked = isPage ? code : -1
    read(device, asked)
      .then(
        data => answer(task, device, asked, data),
        error => {
          if (!(error instanceof Away)) throw error
          answerFromMemory(task, device, asked)
        },
      )
      .catch((error: unknown) => task.fault(error))
  }
}

const rewriteOf = ({ facts }: PassedUnit, code: number): Rewrite | null => {
  if (code === VpdCode.blockLimits && facts.peripheralType === DeviceType.disk) return limits
  return PAGES[code] ?? null
}

const read = (device: PassedUnit, code: number): Promise<Buffer | Asked> =>
  code < 0 ? askStandard(device.ask) : askPage(device.ask, code)

/** What the unit said when it was there. */
function answerFromMemory(task: Task, device: PassedUnit, code: number): void {
  const { standard, pages } = device.facts
  const data = code < 0 ? standard : (pages.get(code) ?? (OWN.has(code) ? Buffer.alloc(0) : undefined))
  if (data === undefined) fail(task, LOGICAL_UNIT_NOT_READY_CAUSE_NOT_REPORTABLE)
  else answer(task, device, code, data)
}

function answer(task: Task, device: PassedUnit, code: number, data: Buffer | Asked): void {
  const page = Buffer.isBuffer(data) ? data : OWN.has(code) ? Buffer.alloc(0) : null
  if (task.aborted) task.done()
  else if (page === null) refuseLike(task, data as Asked)
  else {
    const made = code < 0 ? standardData(page, device, task) : rewriteOf(device, code)!(page, device, task)
    reply(task, made, allocation.get(task.cdb, 0))
  }
}

function standardData(from: Buffer, device: PassedUnit, task: Task): Buffer {
  const data = Buffer.from(from)
  const { vendor, product, revision, normalAca, multiPort, commandQueue, tpgs } = STANDARD_INQUIRY.field
  // The engine does these for every nexus, whatever the unit can.
  normalAca.set(data, 0, 1)
  commandQueue.set(data, 0, 1)
  multiPort.set(data, 0, task.nexus.target.ports.length > 1 ? 1 : 0)
  tpgs.set(data, 0, tpgsOf(task))
  const own = namesOf(device.facts)
  const { identity } = device.unit
  if (identity.vendor !== own.vendor) vendor.set(data, 0, identity.vendor)
  if (identity.product !== own.product) product.set(data, 0, identity.product)
  if (identity.revision !== own.revision) revision.set(data, 0, identity.revision)
  return data
}

function headed(device: PassedUnit, code: number, body: Uint8Array): Buffer {
  const page = Buffer.alloc(VPD_HEADER.length + body.length)
  page.set(body, VPD_HEADER.length)
  const { peripheralType } = device.facts
  VPD_HEADER.write({ deviceType: peripheralType, pageCode: code, length: body.length }, page)
  return page
}

function listPages(page: Buffer, device: PassedUnit): Buffer {
  const codes = new Set([...page.subarray(VPD_HEADER.length), ...OWN])
  return headed(device, VpdCode.supportedPages, Uint8Array.from([...codes].sort((a, b) => a - b)))
}

/** A unit without a serial number, or one that the operator named, has lunkit's. */
function serialPage(page: Buffer, device: PassedUnit): Buffer {
  const { serial } = device.unit.identity
  if (page.length > 0 && namesOf(device.facts).serial === serial) return page
  return headed(device, VpdCode.unitSerialNumber, Buffer.from(serial, 'latin1'))
}

function identification(page: Buffer, device: PassedUnit, task: Task): Buffer {
  const { identity } = device.unit
  const passed = readDesignators(page, VPD_HEADER.length).filter(
    ({ association }) => association === Association.logicalUnit,
  )
  const own = isOwnName(device, identity) && passed.length > 0 ? passed : unitDesignators(identity)
  return headed(device, VpdCode.deviceIdentification, writtenDesignators([...own, ...pathDesignators(task)]))
}

/** The operator has given the unit none of the names that designators are made of. */
function isOwnName(device: PassedUnit, { serial, naa, eui64, scsiName, t10Id }: Identity): boolean {
  const own = namesOf(device.facts)
  if (eui64 !== undefined || scsiName !== undefined || t10Id !== undefined) return false
  if (own.serial !== undefined && own.serial !== serial) return false
  return own.naa === undefined || Buffer.compare(own.naa, naa) === 0
}

/** Attributes and resets are the engine's affair. */
function extended(page: Buffer): Buffer {
  if (page.length < EXTENDED_INQUIRY.length) return page
  const data = Buffer.from(page)
  const { headOfQueue, ordered, simple } = EXTENDED_INQUIRY.field
  for (const field of [headOfQueue, ordered, simple]) field.set(data, 0, 1)
  return data
}

/** Mode pages that the unit has for each nexus are shared by all initiators behind lunkit's. */
function policies(page: Buffer): Buffer {
  const data = Buffer.from(page)
  for (
    let at = VPD_HEADER.length;
    at + MODE_PAGE_POLICY.length <= data.length;
    at += MODE_PAGE_POLICY.length
  ) {
    MODE_PAGE_POLICY.field.policy.set(data, at, 0)
  }
  return data
}

/** Longer transfers than the bridge carries are not promised. */
function limits(page: Buffer, device: PassedUnit): Buffer {
  const { maxTransfer, optimalTransfer } = BLOCK_LIMITS.field
  if (page.length < 16 || device.blockSize === 0) return page
  const data = Buffer.from(page)
  const most = Math.floor(device.maxTransfer / device.blockSize)
  const told = maxTransfer.get(data, 0)
  maxTransfer.set(data, 0, told === 0 ? most : Math.min(told, most))
  optimalTransfer.set(data, 0, Math.min(optimalTransfer.get(data, 0), most))
  return data
}
