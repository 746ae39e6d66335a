// SPDX-License-Identifier: Apache-2.0
// Whether a new connection is taken: connections, rates and failed logins of its address, and the rate of all.
import type { BlockList } from 'node:net'
import type { Limits } from '../options.ts'
import { addressKey, isIn } from './address-key.ts'
import { TokenBucket } from './token-bucket.ts'

/** Addresses that are remembered; beyond, those that have no connection are forgotten, the oldest first. */
const MOST_ADDRESSES = 4096
/** The first wait after too many failures; it doubles with each further one. */
const FIRST_WAIT_MS = 1000
/** Failures are forgotten after this many times the longest wait. */
const FORGET_FACTOR = 4

/** Why a connection is not taken. */
export const Refusal = Object.freeze({
  connections: 'Address has too many connections',
  failures: 'Address has failed to log in too often, and must wait',
  addressRate: 'Address connects too often',
  rate: 'Too many connections come at once',
} as const)
export type Refusal = (typeof Refusal)[keyof typeof Refusal]

interface Entry {
  open: number
  readonly bucket: TokenBucket
  failures: number
  failedAt: number
  barredUntil: number
}

export class AddressGuard {
  readonly #limits: Limits
  readonly #trusted: BlockList
  readonly #now: () => number
  readonly #all: TokenBucket
  readonly #entries: Map<string, Entry> = new Map()

  /** `trusted` addresses have no limits here. `now` in milliseconds. */
  constructor(limits: Limits, trusted: BlockList, now: () => number) {
    this.#limits = limits
    this.#trusted = trusted
    this.#now = now
    this.#all = new TokenBucket(limits.loginsPerSecond, limits.loginBurst, now())
  }

  /** Addresses that are remembered. */
  get size(): number {
    return this.#entries.size
  }

  /** Takes a connection, which then must have `left()`; or says why not. */
  admit(address: string): Refusal | null {
    if (isIn(this.#trusted, address)) return null
    const now = this.#now()
    const entry = this.#entry(this.#key(address), now)
    if (now < entry.barredUntil) return Refusal.failures
    if (entry.open >= this.#limits.connectionsPerAddress) return Refusal.connections
    if (!entry.bucket.take(now)) return Refusal.addressRate
    // Asked last, so that one address cannot use up what all others have.
    if (!this.#all.take(now)) return Refusal.rate
    entry.open++
    return null
  }

  /** A connection that was taken has closed. */
  left(address: string): void {
    const entry = this.#entries.get(this.#key(address))
    if (entry !== undefined && entry.open > 0) entry.open--
  }

  /** A login failed for want of a proof or a permission. */
  failed(address: string): void {
    if (this.#limits.loginBackOffMs === 0 || isIn(this.#trusted, address)) return
    const now = this.#now()
    const entry = this.#entry(this.#key(address), now)
    if (now - entry.failedAt > this.#limits.loginBackOffMs * FORGET_FACTOR) entry.failures = 0
    entry.failures++
    entry.failedAt = now
    const beyond = entry.failures - this.#limits.failedLogins
    if (beyond < 0) return
    entry.barredUntil = now + Math.min(this.#limits.loginBackOffMs, FIRST_WAIT_MS * 2 ** Math.min(beyond, 30))
  }

  /** An initiator has proved who it is: what failed before was no guessing. */
  succeeded(address: string): void {
    const entry = this.#entries.get(this.#key(address))
    if (entry !== undefined) entry.failures = 0
  }

  #key(address: string): string {
    return addressKey(address, this.#limits.ipv6PrefixBits)
  }

  #entry(key: string, now: number): Entry {
    let entry = this.#entries.get(key)
    if (entry === undefined) {
      this.#makeRoom()
      const { addressLoginsPerSecond, addressLoginBurst } = this.#limits
      const bucket = new TokenBucket(addressLoginsPerSecond, addressLoginBurst, now)
      entry = { open: 0, bucket, failures: 0, failedAt: 0, barredUntil: 0 }
    } else {
      this.#entries.delete(key)
    }
    // Behind all others: the first ones are those that were not heard of for longest.
    this.#entries.set(key, entry)
    return entry
  }

  #makeRoom(): void {
    if (this.#entries.size < MOST_ADDRESSES) return
    for (const [key, { open }] of this.#entries) {
      if (open > 0) continue
      this.#entries.delete(key)
      return
    }
  }
}
