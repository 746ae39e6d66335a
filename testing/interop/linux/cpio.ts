// SPDX-License-Identifier: Apache-2.0
// Writes cpio archives in the "newc" format, which the Linux kernel unpacks as its first file system.
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** An archive in memory; everything in it belongs to root. Several archives may follow one another in a file. */
export class Cpio {
  readonly #parts: Uint8Array[] = []
  #inode = 0

  #entry(name: string, mode: number, data: Uint8Array, device: readonly [number, number]): void {
    const nameBytes = Buffer.from(`${name}\0`)
    const head = [++this.#inode, mode, 0, 0, 1, 0, data.length, 0, 0, ...device, nameBytes.length, 0]
    const digits = head.map(field => field.toString(16).padStart(8, '0')).join('')
    this.#padded(Buffer.concat([Buffer.from(`070701${digits}`), nameBytes]))
    this.#padded(data)
  }

  #padded(bytes: Uint8Array): void {
    this.#parts.push(bytes, new Uint8Array(-bytes.length & 3))
  }

  folder(name: string): void {
    this.#entry(name, 0o40755, new Uint8Array(0), [0, 0])
  }

  file(name: string, data: string | Uint8Array, mode = 0o755): void {
    this.#entry(name, 0o100000 | mode, typeof data === 'string' ? Buffer.from(data) : data, [0, 0])
  }

  link(name: string, to: string): void {
    this.#entry(name, 0o120777, Buffer.from(to), [0, 0])
  }

  characterDevice(name: string, major: number, minor: number): void {
    this.#entry(name, 0o20600, new Uint8Array(0), [major, minor])
  }

  /** Adds what is in a folder, with names that begin with `prefix`. */
  tree(folder: string, prefix = ''): void {
    for (const item of readdirSync(folder, { withFileTypes: true })) {
      const from = join(folder, item.name)
      const name = prefix + item.name
      if (item.isDirectory()) {
        this.folder(name)
        this.tree(from, `${name}/`)
      } else if (item.isSymbolicLink()) this.link(name, readlinkSync(from))
      else this.file(name, readFileSync(from), statSync(from).mode & 0o777)
    }
  }

  /** Ends the archive and gives its bytes. */
  end(): Buffer {
    this.#entry('TRAILER!!!', 0, new Uint8Array(0), [0, 0])
    return Buffer.concat(this.#parts)
  }
}
