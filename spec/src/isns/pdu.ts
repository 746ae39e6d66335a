// SPDX-License-Identifier: Apache-2.0
// The header of iSNS messages, their functions and flags (RFC 4171, 4.1 and 5.1).
import { u16 } from '../bytes/field.ts'
import { layout } from '../bytes/layout.ts'

export const ISNS_PORT = 3205
export const ISNS_VERSION = 1
export const ISNS_HEADER_BYTES = 12

/** `length` is that of the payload. A message of several PDUs has one transaction, and a sequence that counts from 0. */
export const ISNS_HEADER = layout('iSNSP header', 'RFC 4171, 5.1', ISNS_HEADER_BYTES, {
  version: u16(0),
  functionId: u16(2),
  length: u16(4),
  flags: u16(6),
  transaction: u16(8),
  sequence: u16(10),
})

/** Requests; a response has the same number and `ISNS_RESPONSE`. */
export const IsnsFunction = Object.freeze({
  deviceAttributeRegistration: 0x0001,
  deviceAttributeQuery: 0x0002,
  deviceGetNext: 0x0003,
  deviceDeregistration: 0x0004,
  scnRegister: 0x0005,
  scnDeregister: 0x0006,
  scnEvent: 0x0007,
  stateChangeNotification: 0x0008,
  domainRegister: 0x0009,
  domainDeregister: 0x000a,
  domainSetRegister: 0x000b,
  domainSetDeregister: 0x000c,
  entityStatusInquiry: 0x000d,
  heartbeat: 0x000e,
} as const)

export const ISNS_RESPONSE = 0x8000

export const IsnsFlag = Object.freeze({
  fromClient: 0x8000,
  fromServer: 0x4000,
  authenticated: 0x2000,
  /** What the message key names is replaced as a whole, not added to. */
  replace: 0x1000,
  lastPdu: 0x0800,
  firstPdu: 0x0400,
} as const)
