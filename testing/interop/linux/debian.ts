// SPDX-License-Identifier: Apache-2.0
// Downloads Debian packages, with the libraries they need, and unpacks them into a folder; nothing is installed.
import { existsSync, linkSync, mkdirSync, readdirSync, renameSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './process.ts'

/** The packages that the named ones depend on directly; of alternatives the first. */
function dependencies(names: readonly string[]): string[] {
  const found: string[] = []
  let chosen = false
  for (const line of run('apt-cache', ['depends', '--important', ...names])
    .toString()
    .split('\n')) {
    const [, more, name] = /^ ([ |])(?:Pre)?Depends: (\S+)/.exec(line) ?? []
    if (name === undefined) continue
    if (!chosen && !name.startsWith('<')) found.push(name)
    chosen = more === '|'
  }
  return found
}

/** The current kernel's package, such as `linux-image-6.1.0-56-amd64`. */
export function currentKernel(metaPackage: string): string {
  const kernel = dependencies([metaPackage]).find(name => name.startsWith('linux-image-'))
  if (kernel === undefined) throw new Error(`${metaPackage} names no kernel: run apt-get update`)
  return kernel
}

/** The packages and, however deep, the library packages that they depend on. */
export function withLibraries(names: readonly string[]): string[] {
  const all = new Set(names)
  let layer = [...names]
  while (layer.length > 0) {
    layer = dependencies(layer).filter(name => /^lib(?!.*(perl|common))/.test(name) && !all.has(name))
    for (const name of layer) all.add(name)
  }
  return [...all]
}

/** Downloads the packages into the new folder `to`, but takes from `cache` what is there, and keeps them there. */
export function download(names: readonly string[], cache: string, to: string): string[] {
  mkdirSync(cache, { recursive: true })
  mkdirSync(to)
  // Links, so that another process may do the same with the same cache at the same time
  for (const file of readdirSync(cache)) linkSync(join(cache, file), join(to, file))
  const options = ['-q', '-o', 'APT::Sandbox::User=root', 'download']
  // apt-get lists only what is not in the current folder yet
  const listed = run('apt-get', [...options, '--print-uris', ...names], { cwd: '/' }).toString()
  const files = [...listed.matchAll(/^'\S+' (\S+\.deb) /gm)].map(match => match[1]!)
  if (files.length !== names.length)
    throw new Error(`apt-get knows ${files.length} of ${names.length} packages`)
  run('apt-get', [...options, ...names], { cwd: to })
  for (const file of files) if (!existsSync(join(cache, file))) renameSync(join(to, file), join(cache, file))
  return files.map(file => join(cache, file))
}

/** Unpacks package files into a folder; /bin and its neighbours are there, be they folders or links. */
export function unpack(files: readonly string[], folder: string): void {
  mkdirSync(folder, { recursive: true })
  for (const file of files) run('dpkg', ['-x', file, folder])
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
    if (!existsSync(join(folder, name))) symlinkSync(`usr/${name}`, join(folder, name))
  }
}
