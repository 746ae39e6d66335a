// SPDX-License-Identifier: Apache-2.0
// Builds what the virtual machine boots, a kernel and a root file system, and keeps it in the cache folder.
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { basename, dirname, join, relative } from 'node:path'
import { Cpio } from './cpio.ts'
import { currentKernel, download, unpack, withLibraries } from './debian.ts'
import { unpackKernel } from './kernel.ts'
import { kernelPackage, modules, packages, programLinks, programs } from './packages.ts'
import { run } from './process.ts'
import { UnpackedPrograms } from './unpacked-programs.ts'

/** Paths of the plain ELF kernel and of the cpio archive of the root file system. */
export type Image = { kernel: string; root: string }

function cacheFolder(): string {
  const { LUNKIT_CACHE, XDG_CACHE_HOME } = process.env
  const folder = LUNKIT_CACHE || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'lunkit')
  return join(folder, 'linux-guest')
}

/** Where the image made by this recipe lies, or would lie. */
function imageFolder(): string {
  const hash = createHash('sha256')
  for (const file of [
    'packages.ts',
    'image.ts',
    'debian.ts',
    'kernel.ts',
    'cpio.ts',
    'unpacked-programs.ts',
  ]) {
    hash.update(readFileSync(join(import.meta.dirname, file)))
  }
  return join(cacheFolder(), hash.digest('hex').slice(0, 16))
}

export function imageIsBuilt(): boolean {
  return existsSync(imageFolder())
}

/** The image, built first if this recipe has not been built yet: some 15 s and 80 MB of downloads. */
export function ensureImage(): Image {
  const folder = imageFolder()
  if (!existsSync(folder)) build(folder)
  return { kernel: join(folder, 'vmlinux'), root: join(folder, 'root.cpio') }
}

function build(folder: string): void {
  const cache = cacheFolder()
  mkdirSync(cache, { recursive: true })
  const work = mkdtempSync(join(cache, 'build-'))
  try {
    const kernel = currentKernel(kernelPackage)
    const debian = join(work, 'debian')
    const names = [kernel, ...withLibraries(packages)]
    unpack(download(names, join(cache, 'debs'), join(work, 'debs')), debian)
    const version = kernel.replace('linux-image-', '')
    const made = join(work, 'made')
    mkdirSync(made)
    writeFileSync(
      join(made, 'vmlinux'),
      unpackKernel(readFileSync(join(debian, 'boot', `vmlinuz-${version}`))),
    )
    writeFileSync(join(made, 'root.cpio'), rootArchive(debian, join(work, 'root'), version))
    // Another process may have built the same meanwhile; either will do
    try {
      renameSync(made, folder)
    } catch (error) {
      if (!existsSync(folder)) throw error
    }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

function rootArchive(debian: string, root: string, version: string): Buffer {
  const folders = [
    'bin',
    'dev',
    'proc',
    'sys',
    'tmp',
    'run/lock/iscsi',
    'mnt',
    'root',
    'var',
    'lib',
    'lib64',
    'usr',
  ]
  for (const name of [...folders, 'etc/iscsi']) mkdirSync(join(root, name), { recursive: true })
  const links = { sbin: 'bin', 'usr/bin': '../bin', 'usr/sbin': '../bin', 'usr/lib': '../lib' }
  const variable = { 'var/run': '../run', 'var/lib': '../etc', 'etc/mtab': '/proc/mounts' }
  for (const [name, to] of Object.entries({ ...links, ...variable })) symlinkSync(to, join(root, name))

  const bin = join(root, 'bin')
  const unpacked = new UnpackedPrograms(debian)
  const busybox = unpacked.program('busybox')
  const others = new Set<string>([...programs, ...Object.keys(programLinks), 'busybox'])
  copyFileSync(busybox, join(bin, 'busybox'))
  for (const applet of run(busybox, ['--list']).toString().trim().split('\n')) {
    if (!others.has(applet)) symlinkSync('busybox', join(bin, applet))
  }
  for (const name of programs) copyFileSync(unpacked.program(name), join(bin, name))
  for (const [name, to] of Object.entries(programLinks)) symlinkSync(to, join(bin, name))
  for (const file of unpacked.needed(programs)) copyFileSync(file, join(root, 'lib', basename(file)))
  symlinkSync(`../lib/${unpacked.loaderName}`, join(root, 'lib64', unpacked.loaderName))

  copyModules(unpacked, debian, root, version)
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n')
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\n')
  const settings = readFileSync(join(debian, 'etc/iscsi/iscsid.conf'), 'utf8')
  const manual = settings
    .replace(/^node\.startup.*/m, 'node.startup = manual')
    .replace(/^iscsid\.startup/m, '#$&')
  writeFileSync(join(root, 'etc/iscsi/iscsid.conf'), manual)

  const archive = new Cpio()
  archive.tree(root)
  archive.characterDevice('dev/console', 5, 1)
  return archive.end()
}

function copyModules(unpacked: UnpackedPrograms, debian: string, root: string, version: string): void {
  const kmod = (as: string, ...args: string[]) => unpacked.runProgram('kmod', as, args)
  kmod('depmod', '-b', debian, version)
  const from = join(debian, 'lib/modules', version)
  const to = join(root, 'lib/modules', version)
  for (const module of modules) {
    const needed = kmod('modprobe', '-d', debian, '-S', version, '--show-depends', module)
    for (const [, file] of needed.matchAll(/^insmod (\S+)/gm)) {
      const copy = join(to, relative(from, file!))
      mkdirSync(dirname(copy), { recursive: true })
      copyFileSync(file!, copy)
    }
  }
  mkdirSync(to, { recursive: true })
  for (const file of readdirSync(from)) {
    if (/^modules\.(order|builtin|builtin\.modinfo)$/.test(file))
      copyFileSync(join(from, file), join(to, file))
  }
  kmod('depmod', '-b', root, version)
}
