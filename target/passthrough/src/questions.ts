// SPDX-License-Identifier: Apache-2.0
// Questions of pass-through's own to the real unit: who it is, how large, what its Control mode page says.
import {
  Association,
  ascText,
  CAPACITY_10,
  CAPACITY_16,
  CONTROL,
  type Designator,
  DesignatorType,
  DeviceType,
  INQUIRY,
  MODE_HEADER_10,
  MODE_SENSE_10,
  ModeCode,
  READ_CAPACITY_10,
  READ_CAPACITY_16,
  readDesignators,
  readSense,
  type SenseCode,
  SenseKey,
  STANDARD_INQUIRY,
  Status,
  sense,
  TEST_UNIT_READY,
  VPD_HEADER,
  VpdCode,
} from '@lunkit/spec'
import type { ControlPolicies, Identity } from '@lunkit/target-api'
import type { BridgeAnswer } from './bridge.ts'

/** Sends one command and resolves with its answer and data. Rejects with Away where there is no answer of the unit. */
export type Ask = (cdb: Uint8Array, room: number) => Promise<Asked>
export interface Asked extends BridgeAnswer {
  readonly data: Buffer
}

/** The unit does not answer. */
export class Away extends Error {}

/** Room for answers: standard data of old units come in a byte's worth. */
const STANDARD_ROOM = 255
const PAGE_ROOM = 4096
/** Unit attentions that may wait at one nexus. */
const MOST_ATTENTIONS = 32

/** Who a unit is. */
export interface Facts {
  readonly standard: Buffer
  readonly peripheralType: number
  /** VPD pages 00h, 80h and 83h, as far as it has them. */
  readonly pages: ReadonlyMap<number, Buffer>
}

export async function askStandard(ask: Ask): Promise<Buffer> {
  const cdb = Buffer.from(INQUIRY.cdb.write({ allocation: STANDARD_ROOM }))
  cdb[0] = INQUIRY.opcode
  const { data, status } = await ask(cdb, STANDARD_ROOM)
  if (status !== Status.good || data.length < 36) throw new Away('it does not answer INQUIRY')
  return data
}

/** A page, cut to its length; or the answer that refuses it. */
export async function askPage(ask: Ask, code: number): Promise<Buffer | Asked> {
  const cdb = Buffer.from(INQUIRY.cdb.write({ evpd: 1, pageCode: code, allocation: PAGE_ROOM }))
  cdb[0] = INQUIRY.opcode
  const answer = await ask(cdb, PAGE_ROOM)
  const { data, status } = answer
  if (status !== Status.good || data.length < VPD_HEADER.length || data[1] !== code) return answer
  return data.subarray(0, VPD_HEADER.length + VPD_HEADER.field.length.get(data, 0))
}

const KEPT_PAGES = [VpdCode.supportedPages, VpdCode.unitSerialNumber, VpdCode.deviceIdentification]

export async function askFacts(ask: Ask): Promise<Facts> {
  const standard = await askStandard(ask)
  const pages = new Map<number, Buffer>()
  for (const code of KEPT_PAGES) {
    const page = await askPage(ask, code)
    if (Buffer.isBuffer(page)) pages.set(code, page)
  }
  return { standard, peripheralType: STANDARD_INQUIRY.field.deviceType.get(standard, 0), pages }
}

/** Takes all pending unit attentions: what they said. */
export async function takeAttentions(ask: Ask): Promise<SenseCode[]> {
  const codes: SenseCode[] = []
  for (let i = 0; i < MOST_ATTENTIONS; i++) {
    const answer = await ask(Buffer.from(TEST_UNIT_READY.cdb.write({})), 0)
    const code = answer.status === Status.checkCondition ? codeOf(answer.sense) : null
    if (code === null || code.key !== SenseKey.unitAttention) break
    codes.push(code)
  }
  return codes
}

/** Key and codes of sense data; null where there are none that can be read. */
export function codeOf(bytes: Uint8Array): SenseCode | null {
  const report = readSense(bytes)
  if (report === null) return null
  const { key, asc, ascq } = report
  return sense(key, asc, ascq, ascText(asc, ascq) ?? 'vendor specific')
}

export interface Medium {
  readonly blockSize: number
  readonly blocks: number
}

const NO_MEDIUM: Medium = { blockSize: 0, blocks: 0 }

/** Block length and number of blocks; zeros where there are none, or none can be told now. */
export async function askMedium(ask: Ask, peripheralType: number): Promise<Medium> {
  const blocky = [DeviceType.disk, DeviceType.opticalMemory, DeviceType.cdrom] as number[]
  if (!blocky.includes(peripheralType)) return NO_MEDIUM
  const short = Buffer.from(READ_CAPACITY_10.cdb.write({}))
  short[0] = READ_CAPACITY_10.opcode
  const answer = await ask(short, CAPACITY_10.length)
  if (answer.status !== Status.good || answer.data.length < CAPACITY_10.length) return NO_MEDIUM
  const { lastLba, blockLength } = CAPACITY_10.read(answer.data)
  if (lastLba < 0xffff_ffff) return { blockSize: blockLength, blocks: lastLba + 1 }
  const long = Buffer.from(READ_CAPACITY_16.cdb.write({ allocation: CAPACITY_16.length }))
  long[0] = READ_CAPACITY_16.opcode
  long[1] = READ_CAPACITY_16.serviceAction
  const exact = await ask(long, CAPACITY_16.length)
  if (exact.status !== Status.good || exact.data.length < 12) return NO_MEDIUM
  const size = CAPACITY_16.field
  return {
    blockSize: size.blockLength.get(exact.data, 0),
    blocks: size.lastLba.get(exact.data, 0) + 1,
  }
}

/** Fills `policies` from the unit's Control mode page; a unit without one leaves them. */
export async function askPolicies(ask: Ask, policies: ControlPolicies): Promise<void> {
  const room = MODE_HEADER_10.length + CONTROL.length
  const cdb = Buffer.from(MODE_SENSE_10.cdb.write({ dbd: 1, pageCode: ModeCode.control, allocation: room }))
  cdb[0] = MODE_SENSE_10.opcode
  const { data, status } = await ask(cdb, room)
  const at = MODE_HEADER_10.length
  if (
    status !== Status.good ||
    data.length < room ||
    MODE_HEADER_10.field.blockDescriptorLength.get(data, 0) !== 0
  )
    return
  if ((data[at]! & 0x3f) !== ModeCode.control) return
  const { tst, qerr, tas, tmfOnly, uaInterlock, queueAlgorithm, dSense } = CONTROL.field
  policies.tst = tst.get(data, at)
  policies.qerr = qerr.get(data, at)
  policies.tas = tas.get(data, at) === 1
  policies.tmfOnly = tmfOnly.get(data, at) === 1
  policies.uaIntlckCtrl = uaInterlock.get(data, at)
  policies.queueAlgorithm = queueAlgorithm.get(data, at)
  policies.dSense = dSense.get(data, at) === 1
}

/** The designators of the unit itself, as its page 83h has them. */
export function designatorsOf({ pages }: Facts): Designator[] {
  const page = pages.get(VpdCode.deviceIdentification)
  if (page === undefined) return []
  return readDesignators(page, VPD_HEADER.length).filter(
    ({ association }) => association === Association.logicalUnit,
  )
}

const serialOf = ({ pages }: Facts): string =>
  pages.get(VpdCode.unitSerialNumber)?.subarray(VPD_HEADER.length).toString('latin1').trim() ?? ''

/** Names of the unit, as far as it has them. */
export function namesOf(facts: Facts): Partial<Identity> {
  const { vendor, product, revision } = STANDARD_INQUIRY.field
  const naa = designatorsOf(facts).find(({ type }) => type === DesignatorType.naa)?.value
  const serial = serialOf(facts)
  return {
    vendor: printable(vendor.get(facts.standard, 0)),
    product: printable(product.get(facts.standard, 0)),
    revision: printable(revision.get(facts.standard, 0)),
    ...(serial !== '' && { serial: printable(serial) }),
    ...(naa !== undefined && (naa.length === 8 || naa.length === 16) && { naa }),
  }
}

const printable = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?')

/** Whether both are one unit: by designators, else by serial number, else by what it calls itself. */
export function isSameUnit(one: Facts, other: Facts): boolean {
  if (one.peripheralType !== other.peripheralType) return false
  const [mine, theirs] = [one, other].map(facts => designatorsOf(facts).map(key))
  if (mine!.length > 0 && theirs!.length > 0) return mine!.some(name => theirs!.includes(name))
  if (serialOf(one) !== '' || serialOf(other) !== '') return serialOf(one) === serialOf(other)
  return one.standard.subarray(8, 36).equals(other.standard.subarray(8, 36))
}

const key = ({ type, value }: Designator): string => `${type}:${Buffer.from(value).toString('hex')}`
