// SPDX-License-Identifier: Apache-2.0
// Names of a target and its units: made from what they serve, so that they are the same after every restart.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { parseIscsiName } from '@lunkit/spec'
import { type Identity, OperatorError, type ParameterValues } from '@lunkit/target-api'

/** The naming authority in iqn names that lunkit makes. */
const AUTHORITY = 'iqn.2026-11.org.lunkit'

/** The name in its normal form; OperatorError if it is none, or cannot stand in a URL. */
export function checkTargetName(name: string): string {
  const parsed = parseIscsiName(name)
  if (parsed.ok && !parsed.name.includes('/')) return parsed.name
  throw new OperatorError('NAME', `'${name}' is no name for a target`, {
    hint: 'write iqn.YYYY-MM.reversed.domain:anything, as in iqn.2026-11.org.example:disk',
  })
}

/** What tells this machine from others: two machines that serve the same path must not serve the same serial. */
function machineSeed(): string {
  try {
    const id = readFileSync('/etc/machine-id', 'utf8').trim()
    if (id !== '') return id
  } catch {
    // Not every system has one; the host name is the next best thing.
  }
  return hostname()
}

/** `iqn.2026-11.org.lunkit:HOST`, with what RFC 3722 does not allow in a host name left out. */
export function defaultTargetName(): string {
  const host = hostname()
    .toLowerCase()
    .replace(/[^a-z0-9.-]/g, '')
  return `${AUTHORITY}:${host === '' ? 'target' : host}`.slice(0, 223)
}

/**
 * Serial, NAA and strings of a unit. What is not set is derived from the storage's identity and this machine.
 * A real unit's `own` names stay, but for its NAA where it is given another serial. The NAA is of the locally assigned kind (3h), as lunkit has no IEEE company identifier.
 */
export function makeIdentity(
  storage: string,
  values: ParameterValues,
  own: Partial<Identity> = {},
): Identity {
  const digest = createHash('sha256').update(`lunkit\0${machineSeed()}\0${storage}`).digest()
  const serial = ascii('serial', values['serial'], 64) ?? own.serial ?? digest.toString('hex', 0, 8)
  const serialGiven = values['serial'] !== undefined
  const naa =
    parseNaa(values['naa']) ?? (serialGiven ? undefined : own.naa) ?? naaFrom(serial, digest, serialGiven)
  return {
    vendor: ascii('vendor', values['vendor'], 8) ?? own.vendor ?? 'LUNKIT',
    product: ascii('product', values['product'], 16) ?? own.product ?? 'VIRTUAL-DISK',
    revision: ascii('revision', values['revision'], 4) ?? own.revision ?? '0001',
    serial,
    naa,
    ...optional(values),
  }
}

/** Names that a unit has only if it was given them. */
function optional(values: ParameterValues): Partial<Identity> {
  const eui64 = parseEui64(values['eui64'])
  const scsiName = parseScsiName(values['scsiname'])
  const t10Id = ascii('t10id', values['t10id'], 200)
  const management = ascii('management', values['management'], 255)
  return {
    ...(eui64 !== null && { eui64 }),
    ...(scsiName !== null && { scsiName }),
    ...(t10Id !== null && { t10Id }),
    ...(management !== null && { management: [{ service: STORAGE_CONFIGURATION, address: management }] }),
  }
}

/** SERVICE TYPE of a management address (SPC-4 Management Network Addresses VPD page). */
const STORAGE_CONFIGURATION = 1

function parseEui64(value: unknown): Uint8Array | null {
  if (value === undefined) return null
  if (/^(?:[0-9a-f]{16}|[0-9a-f]{24}|[0-9a-f]{32})$/i.test(String(value))) {
    return Buffer.from(String(value), 'hex')
  }
  throw new OperatorError('EUI64', `'${value}' is no EUI-64 designator`, {
    hint: 'give 16, 24 or 32 hex digits',
  })
}

function parseScsiName(value: unknown): string | null {
  if (value === undefined) return null
  const parsed = parseIscsiName(String(value))
  if (parsed.ok) return parsed.name
  throw new OperatorError('SCSI_NAME', `'${value}' is no SCSI name string`, {
    hint: 'give a name that begins with iqn., eui. or naa., as in iqn.2026-11.org.example:unit',
  })
}

function naaFrom(serial: string, digest: Buffer, serialGiven: boolean): Uint8Array {
  const source = serialGiven ? createHash('sha256').update(`lunkit naa\0${serial}`).digest() : digest
  const naa = Buffer.from(source.subarray(8, 16))
  naa[0] = 0x30 | (naa[0]! & 0x0f)
  return naa
}

function parseNaa(value: unknown): Uint8Array | null {
  if (value === undefined) return null
  const text = String(value).toLowerCase()
  const wanted = text.startsWith('6') ? 32 : 16
  if (!/^[2356][0-9a-f]+$/.test(text) || text.length !== wanted) {
    throw new OperatorError('NAA', `'${value}' is no NAA designator`, {
      hint: 'give 16 hex digits that begin with 2, 3 or 5, or 32 that begin with 6',
    })
  }
  return Buffer.from(text, 'hex')
}

function ascii(name: string, value: unknown, length: number): string | null {
  if (value === undefined) return null
  const text = String(value)
  if (text.length <= length && /^[\x20-\x7e]+$/.test(text)) return text
  throw new OperatorError('IDENTITY', `'${text}' is no value for '${name}'`, {
    hint: `give 1 to ${length} printable ASCII characters`,
  })
}
