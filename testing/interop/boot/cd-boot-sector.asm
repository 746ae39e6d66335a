; SPDX-License-Identifier: Apache-2.0
; The boot image of a CD (El Torito, no emulation): shows on COM2 that the BIOS's disk services read sectors of it.
bits 16
org 0x7c00

EXIT equ 0xf4
BUFFER equ 0x8000

start:
    cld
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7c00
    mov [drive], dl
    mov si, booted
    call print

    mov ah, 0x42                ; sector 16 is the primary volume descriptor
    mov dl, [drive]
    mov si, descriptor
    int 0x13
    jc failed
    mov byte [BUFFER + 6], 10   ; what follows CD001
    mov byte [BUFFER + 7], 0
    mov si, BUFFER + 1
    call print

    mov si, done
    call print
    mov al, 0x10                ; QEMU ends with 2 * 10h + 1
    out EXIT, al
halt:
    hlt
    jmp halt

failed:
    mov si, error
    call print
    mov al, 0x11
    out EXIT, al
    jmp halt

%include "print.inc"

drive: db 0
booted: db 'booted', 10, 0
error: db 'failed', 10, 0
done: db 'done', 10, 0

align 4
descriptor: db 16, 0, 1, 0
            dw BUFFER, 0
            dq 16

times 2048 - ($ - $$) db 0
