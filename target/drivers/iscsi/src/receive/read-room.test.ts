// SPDX-License-Identifier: Apache-2.0
// Slabs: who holds one, when it is used again, and how much a few bytes can hold.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Lease } from '@lunkit/target-api'
import { ReadRoom, SMALL_BYTES } from './read-room.ts'
import { MOST_READERS, SlabPool } from './slab-pool.ts'
import { MOST_LENT, SLAB_BYTES } from './slab-region.ts'

/** A room that reads into a slab, since somebody wanted to keep what came. */
function roomyOne(pool: SlabPool): ReadRoom {
  const room = new ReadRoom(pool)
  assert.equal(room.lend(100), null, 'its own buffer is lent to nobody')
  room.advance(148)
  return room
}

/** Which slab that is, in a pool with one region. */
const placeOf = ({ byteOffset }: Buffer): number => Math.floor(byteOffset / SLAB_BYTES)

test('headers alone are read into a small buffer, again and again', () => {
  const pool = new SlabPool()
  const room = new ReadRoom(pool)
  const { space } = room
  assert.equal(space.length, SMALL_BYTES)
  for (let i = 0; i < 100; i++) {
    room.advance(48)
    assert.equal(room.space, space)
  }
  assert.equal(pool.inUse, 0)
})

test('a full buffer, or data that is kept, brings a slab; calm takes it away', () => {
  const pool = new SlabPool()
  const full = new ReadRoom(pool)
  full.advance(SMALL_BYTES)
  assert.equal(full.space.length, SLAB_BYTES)
  const asked = roomyOne(pool)
  assert.equal(asked.space.length, SLAB_BYTES)
  assert.deepEqual([pool.inUse, pool.readers], [2, 2])
  for (let i = 0; i < 16; i++) for (const room of [full, asked]) room.advance(48)
  assert.deepEqual([full.space.length, asked.space.length], [SMALL_BYTES, SMALL_BYTES])
  assert.deepEqual([pool.inUse, pool.readers], [0, 0])
})

test('what is lent stays as it is until given back; then its place is used again', () => {
  const pool = new SlabPool()
  const room = roomyOne(pool)
  const first = room.space
  const lease = room.lend(4096)!
  room.advance(4144)
  assert.equal(room.space.byteOffset, first.byteOffset + 4144)
  lease.giveBack()
  room.lend(4096)!.giveBack()
  room.advance(4144)
  assert.equal(room.space, first, 'nobody holds it: back to its begin')
})

test('a slab that is nearly full is left to those who hold it', () => {
  const pool = new SlabPool()
  const room = roomyOne(pool)
  const first = room.space
  const lease = room.lend(200_000)!
  room.advance(200_048)
  assert.notEqual(placeOf(room.space), placeOf(first))
  assert.equal(pool.inUse, 2)
  lease.giveBack()
  assert.equal(pool.inUse, 1)
  room.close()
  assert.equal(pool.inUse, 0)
  room.advance(10)
  assert.equal(pool.inUse, 0, 'a closed one takes none')
})

test('where many are in use, few bytes hold none', () => {
  const pool = new SlabPool()
  const leases: Lease[] = []
  for (let i = 0; i < 1000; i++) {
    const room = roomyOne(pool)
    const lease = room.lend(512)
    if (lease !== null) leases.push(lease)
    room.close()
  }
  assert.ok(leases.length <= 257, `${leases.length} slabs are held by 512 bytes each`)
  const room = roomyOne(pool)
  assert.notEqual(room.lend(SLAB_BYTES / 2), null, 'many bytes may hold one')
})

test('with many more in use, nothing holds one, neither as it came nor as a copy', () => {
  const pool = new SlabPool()
  for (let i = 0; i < MOST_LENT + 100; i++) {
    const room = roomyOne(pool)
    room.lend(SLAB_BYTES / 4)
    room.close()
  }
  assert.ok(pool.inUse <= MOST_LENT + 1, `${pool.inUse} slabs are held`)
  const leases: Lease[] = []
  for (let i = 0; i < 100; i++) assert.equal(pool.copy(Buffer.alloc(60_000, i), leases)[0], i)
  assert.ok(pool.inUse <= MOST_LENT + 1, `${pool.inUse} slabs are held`)
  assert.equal(leases.length, 1)
})

test('so many sockets have a slab at a time, and others do without', () => {
  const pool = new SlabPool()
  const rooms = Array.from({ length: MOST_READERS }, () => roomyOne(pool))
  const late = new ReadRoom(pool)
  late.advance(SMALL_BYTES)
  assert.equal(late.space.length, SMALL_BYTES)
  rooms[0]!.close()
  late.advance(SMALL_BYTES)
  assert.equal(late.space.length, SLAB_BYTES)
})

test('an abandoned slab is never used again', () => {
  const pool = new SlabPool()
  const room = roomyOne(pool)
  const place = placeOf(room.space)
  const [one, other] = [room.lend(5000)!, room.lend(5000)!]
  room.advance(10_000)
  room.close()
  one.abandon()
  other.giveBack()
  assert.equal(pool.inUse, 0)
  assert.notEqual(placeOf(roomyOne(pool).space), place)
})

test('what is copied lies next to others in one slab, which is free when all of them are', t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const pool = new SlabPool()
  const room = roomyOne(pool)
  const leases: Lease[] = []
  const piece = Buffer.alloc(1000, 1)
  const copies = Array.from({ length: 600 }, () => room.copy(piece, leases))
  piece.fill(0)
  assert.ok(copies.every(copy => copy.length === 1000 && copy.every(byte => byte === 1)))
  assert.equal(pool.inUse, 1 + Math.ceil(600 / Math.floor(SLAB_BYTES / 1000)))
  for (const lease of leases) lease.giveBack()
  room.close()
  t.mock.timers.tick(5000)
  assert.equal(pool.inUse, 0)
})

test('a connection that only answers pings gives its slab back', t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const pool = new SlabPool()
  const room = roomyOne(pool)
  t.mock.timers.tick(10_000)
  assert.equal(room.space.length, SLAB_BYTES, 'what comes next is read there')
  room.advance(48)
  assert.equal(room.space.length, SMALL_BYTES)
  assert.equal(pool.inUse, 0)
})

test('memory that is not used any more goes back, but not under somebody who may still look at it', t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const used = (abandon: boolean): Buffer => {
    const pool = new SlabPool()
    const room = roomyOne(pool)
    const { space } = room
    const lease = room.lend(4096)!
    room.close()
    t.mock.timers.tick(5000)
    assert.equal(space.length, SLAB_BYTES, 'it is held')
    if (abandon) lease.abandon()
    else lease.giveBack()
    t.mock.timers.tick(5000)
    return space
  }
  assert.equal(used(false).length, 0)
  assert.equal(used(true).length, SLAB_BYTES)
})

test('what was abandoned is not read over by its own socket either', () => {
  const pool = new SlabPool()
  const room = roomyOne(pool)
  const { byteOffset } = room.space
  const lease = room.lend(5000)!
  room.advance(5048)
  lease.abandon()
  room.advance(48)
  assert.equal(room.space.byteOffset, byteOffset + 5096)
  room.lend(190_000)!.giveBack()
  room.advance(200_000)
  assert.notEqual(placeOf(room.space), Math.floor(byteOffset / SLAB_BYTES), 'a full one is left')
  room.close()
  assert.equal(pool.inUse, 0)
})

test('a closed pool gives its memory back at once, and what is held when it is let go', t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const pool = new SlabPool()
  const room = roomyOne(pool)
  const { space } = room
  const lease = room.lend(4096)!
  room.close()
  pool.close()
  assert.equal(space.length, SLAB_BYTES, 'it is held')
  lease.giveBack()
  t.mock.timers.tick(2000)
  assert.equal(space.length, 0)
  const other = new SlabPool()
  const free = roomyOne(other)
  const { space: freed } = free
  free.close()
  other.close()
  assert.equal(freed.length, 0)
})
