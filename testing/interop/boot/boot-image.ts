// SPDX-License-Identifier: Apache-2.0
// A disk whose boot sector shows what a BIOS can do with it; and whether it has done all that.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const BLOCK = 512
// With the geometry that iPXE takes, a disk must have 8 MiB to have a cylinder.
const SIZE = 16 * 1024 * 1024
const TEXT = 'read by the boot sector\n'
const WORDS = 'the boot sector wrote this'
const SOURCE = 64
const TARGET = 192
const BLOCKS = 64

const at = (image: Buffer, lba: number, blocks: number): Buffer =>
  image.subarray(lba * BLOCK, (lba + blocks) * BLOCK)

/** What a boot sector prints whose every step succeeds. */
export const PRINTED = `booted\n${TEXT}done\n`
/** How QEMU ends when the boot sector is done. */
export const DONE = 0x21

/** Assembles a source of this folder. */
function assemble(source: string, to: string): void {
  const here = import.meta.dirname
  execFileSync('nasm', ['-f', 'bin', '-i', `${here}/`, '-o', to, join(here, source)])
}

/** What the boot image of a CD prints whose every step succeeds. */
export const CD_PRINTED = 'booted\nCD001\ndone\n'

/** Writes an ISO image that boots; `folder` is its content and gets the boot image besides. */
export function makeBootableIso(path: string, folder: string): void {
  assemble('cd-boot-sector.asm', join(folder, 'boot.bin'))
  const boot = ['-b', 'boot.bin', '-no-emul-boot', '-boot-load-size', '4']
  execFileSync('xorriso', ['-as', 'mkisofs', '-quiet', '-R', ...boot, '-o', path, folder], { stdio: 'pipe' })
}

/** Writes such an image, with a random content of the blocks to copy, and gives it. */
export function makeImage(path: string): Buffer {
  const sector = `${path}.boot`
  assemble('boot-sector.asm', sector)
  const image = Buffer.alloc(SIZE)
  readFileSync(sector).copy(image)
  image.write(TEXT, BLOCK)
  randomBytes(BLOCKS * BLOCK).copy(at(image, SOURCE, BLOCKS))
  writeFileSync(path, image)
  return image
}

/** Expects that the image is what it was, but for what the boot sector writes. */
export function checkImage(path: string, before: Buffer): void {
  const expected = Buffer.from(before)
  at(expected, SOURCE, BLOCKS).copy(at(expected, TARGET, BLOCKS))
  at(expected, 2, 1).fill(0).write(WORDS)
  const after = readFileSync(path)
  assert.equal(after.length, expected.length)
  if (after.equals(expected)) return
  const lba = Array.from({ length: SIZE / BLOCK }, (_, lba) => lba)
  const wrong = lba.filter(one => !at(after, one, 1).equals(at(expected, one, 1)))
  assert.fail(`these blocks are not what they must be: ${wrong.slice(0, 20).join(' ')}`)
}
