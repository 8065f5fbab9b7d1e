#include "textflag.h"

// func cloneInit(flags, stack uintptr, a *initArgs) (pid int)
//
// The child shares this process's memory and runs on a stack of its own, so it
// never comes back through here: it calls initMain, which does not return.
TEXT ·cloneInit(SB),NOSPLIT,$0-32
	MOVD	flags+0(FP), R0
	MOVD	stack+8(FP), R1
	MOVD	a+16(FP), R12
	MOVD	$0, R2
	MOVD	$0, R3
	MOVD	$0, R4
	MOVD	$220, R8	// clone
	SVC
	CMP	ZR, R0
	BEQ	child
	MOVD	R0, pid+24(FP)
	RET
child:
	SUB	$64, RSP
	MOVD	R12, 8(RSP)
	BL	·initMain(SB)
	BRK

// func vfork() (pid int)
//
// Both processes return from here on one stack, the child first. The frame is
// empty, so the return address stays in the link register.
TEXT ·vfork(SB),NOSPLIT|NOFRAME,$0-8
	MOVD	$0x4111, R0	// CLONE_VM|CLONE_VFORK|SIGCHLD
	MOVD	$0, R1
	MOVD	$0, R2
	MOVD	$0, R3
	MOVD	$0, R4
	MOVD	$220, R8	// clone
	SVC
	MOVD	R0, pid+0(FP)
	RET
