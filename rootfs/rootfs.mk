# SPDX-License-Identifier: GPL-2.0
# What runs inside: PID 1, and the folder that umrun makes the initramfs from.

ROOTFS_INIT := $(addprefix build/obj/rootfs/,init.o orders.o channel.o mailbox.o program.o relay.o proto.o signals.o)

.PHONY: rootfs
rootfs: build/rootfs.cpio ## [tool] lay out the guest's root file system

build/rootfs.cpio: build/obj/rootfs/init rootfs/build.sh
	rootfs/build.sh $< build/rootfs

build/obj/rootfs/init: $(ROOTFS_INIT)
	$(CC) -static -o $@.part $^ -lutil
	@mv $@.part $@

build/obj/rootfs/%.o: rootfs/%.c $(COMPILED_BY)
	@mkdir -p $(@D)
	$(CC) $(TOOLS_CFLAGS) -c -o $@ $<

-include $(wildcard build/obj/rootfs/*.d)
