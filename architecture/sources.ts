// SPDX-License-Identifier: Apache-2.0
// The tree's source files, and their import specifiers.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))

const LEFT_OUT = new Set(['node_modules', '.git', 'build', '.cache'])

/** Files of the tree with one of these endings, relative to the root. */
export function files(...endings: string[]): string[] {
  const found: string[] = []
  const walk = (folder: string): void => {
    for (const entry of readdirSync(join(ROOT, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (entry.isDirectory()) {
        if (!LEFT_OUT.has(entry.name)) walk(path)
      } else if (endings.some(ending => path.endsWith(ending))) found.push(path)
    }
  }
  walk('')
  return found.sort()
}

export const isTest = (file: string): boolean => /\.(test|bench)\.ts$|\.test-kit\.ts$/.test(file)

export const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8')

/** Specifiers of import, export-from and import() with a literal; comments and texts do not count. */
export function imports(file: string): string[] {
  const source = read(file)
  const found: string[] = []
  for (const pattern of [
    /^\s*(?:import|export)\s[^'"`]*?from\s+['"]([^'"]+)['"]/gms,
    /^\s*import\s+['"]([^'"]+)['"]/gm,
    /\bimport\(\s*['"`]([^'"`]+)['"`]/g,
  ]) {
    for (const match of source.matchAll(pattern)) found.push(match[1]!)
  }
  return found
}
