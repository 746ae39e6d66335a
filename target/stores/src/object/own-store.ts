// SPDX-License-Identifier: Apache-2.0
// A store that somebody brings ready made: told from a plain object, and looked at before it is used.
import { type BackingStore, OperatorError } from '@lunkit/target-api'

/** Whether it is meant as a BackingStore: no plain object says these of itself. */
export const isBackingStore = (given: object): given is BackingStore =>
  'canWrite' in given && 'writesZeroes' in given

const ABILITIES: readonly unknown[] = ['none', 'emulated', 'native']
const CALLS = ['read', 'write', 'flush', 'close'] as const

/** Throws OperatorError STORE_WRONG for one that a disk could not ask. */
export function checkBackingStore(store: BackingStore): BackingStore {
  const { size, preferredBlock, discards, writesZeroes, identity } = store
  const wrong = (what: string): OperatorError =>
    new OperatorError('STORE_WRONG', `A store ${what}`, {
      hint: 'storeSuite of @lunkit/testing tells all that is wrong with it',
    })
  const missing = CALLS.find(name => typeof store[name] !== 'function')
  if (missing !== undefined) throw wrong(`has no function ${missing}`)
  if (!Number.isSafeInteger(size) || size < 1) throw wrong(`has the size ${String(size)}`)
  if (!(preferredBlock >= 1) || !Number.isInteger(Math.log2(preferredBlock))) {
    throw wrong(`has the preferredBlock ${String(preferredBlock)}, which is no power of two`)
  }
  if (!ABILITIES.includes(discards)) throw wrong(`has the ability ${String(discards)} for discards`)
  if (!ABILITIES.includes(writesZeroes))
    throw wrong(`has the ability ${String(writesZeroes)} for writesZeroes`)
  if (discards === 'native' && store.discard === undefined)
    throw wrong('discards, and has no function discard')
  if (writesZeroes === 'native' && store.writeZeroes === undefined) {
    throw wrong('writes zeros, and has no function writeZeroes')
  }
  if (typeof identity !== 'string') throw wrong('has an identity that is no string')
  return store
}
