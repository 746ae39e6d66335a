// SPDX-License-Identifier: Apache-2.0
// Finds and runs programs of packages that are unpacked, not installed, with the libraries unpacked beside them.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { extraLibraries, packages } from './packages.ts'
import { run } from './process.ts'

/** Programs of the unpacked packages and the libraries they need, independent of what the host has. */
export class UnpackedPrograms {
  readonly loaderName = 'ld-linux-x86-64.so.2'
  readonly #folder: string
  readonly #path: string[]

  constructor(folder: string) {
    this.#folder = folder
    this.#path = ['lib', 'usr/lib'].map(name => join(folder, name, 'x86_64-linux-gnu'))
  }

  program(name: string): string {
    return this.#find(
      name,
      ['bin', 'sbin', 'usr/bin', 'usr/sbin'].map(bin => join(this.#folder, bin)),
    )
  }

  library(name: string): string {
    return this.#find(name, this.#path)
  }

  #find(name: string, folders: readonly string[]): string {
    const found = folders.map(folder => join(folder, name)).find(file => existsSync(file))
    if (found === undefined) throw new Error(`No ${name} in the packages ${packages.join(' ')}`)
    return found
  }

  /** Runs one of the programs on the host with its own libraries. */
  runProgram(name: string, as: string, args: readonly string[]): string {
    const loader = ['--library-path', this.#path.join(':'), '--argv0', as, this.program(name)]
    return run(this.library(this.loaderName), [...loader, ...args]).toString()
  }

  needed(names: readonly string[]): Set<string> {
    const files = new Set([this.library(this.loaderName), ...extraLibraries.map(name => this.library(name))])
    for (const name of names) {
      const list = ['--library-path', this.#path.join(':'), '--list', this.program(name)]
      for (const [, library, file] of run(this.library(this.loaderName), list)
        .toString()
        .matchAll(/^\s*(\S+) => (.+) \(0x/gm)) {
        if (!file!.startsWith(this.#folder)) throw new Error(`${name} needs ${library}, which no package has`)
        files.add(file!)
      }
    }
    return files
  }
}
