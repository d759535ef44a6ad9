# The commands of the README. Each sets up what it needs, so none has to come first; the build
# itself is meson's (meson.build).
BUILD ?= build
PYTHON ?= /usr/bin/python3

.PHONY: bench-check demo demo-vm test test-vm test-vm-dmabuf test-scale test-programs matrix coverage build check-asan check-tsan bench cross-darwin install clean help

help:
	@echo 'make demo          draw one picture natively and through pv-venus, and compare'
	@echo 'make demo-vm       the same in a virtual machine: QEMU with our libvirglrenderer'
	@echo 'make test          everything: units, end to end, sanitizers, macOS cross build'
	@echo 'make test-vm       virtual machines: QEMU 10 and 11, guests with Mesa 25.0 and 26.2'
	@echo 'make test-vm-dmabuf  the renderer in a guest that has dma-bufs; slow without KVM'
	@echo 'make test-headers  look for newer Vulkan headers, build and test with them'
	@echo 'make test-scale    many clients, threads, objects and much memory, at full size'
	@echo 'make test-programs  unmodified programs, natively and through us; writes out/programs.md'
	@echo 'make matrix        the end-to-end cases: two Mesa guests on three releases of lavapipe'
	@echo 'make coverage      which commands the tests run here; writes docs/coverage.md'
	@echo 'make build         only build, into $(BUILD)/'
	@echo 'make check-asan    all tests under the address and undefined-behaviour sanitizers'
	@echo 'make check-tsan    the threaded units under the thread sanitizer'
	@echo 'make bench         the benchmarks: native, ours, the peer; writes bench/RESULTS.md; half an hour'
	@echo 'make bench-check   a short run against the committed figures'
	@echo 'make cross-darwin  build for aarch64-macos with zig cc'
	@echo 'make install       install (PREFIX=/usr/local, DESTDIR as usual)'
	@echo 'make clean         remove the build folders'

demo:
	@scripts/setup.sh demo
	@scripts/build.sh $(BUILD)
	@scripts/demo.sh $(BUILD)

demo-vm:
	@scripts/setup.sh roots
	@scripts/build.sh $(BUILD)
	@$(PYTHON) scripts/demo-vm.py $(BUILD)

test:
	@scripts/setup.sh test
	@$(PYTHON) scripts/test.py

test-vm:
	@scripts/setup.sh roots
	@scripts/build.sh $(BUILD)
	@$(PYTHON) scripts/test-vm.py --build-dir $(BUILD)

test-vm-dmabuf:
	@scripts/setup.sh roots
	@scripts/build.sh $(BUILD)
	@$(PYTHON) scripts/test-vm.py --build-dir $(BUILD) --suite sid --case 'dmabuf*'

test-headers:
	@scripts/setup.sh test
	@scripts/headers.sh --renew
	@rm -rf build-headers && scripts/build.sh build-headers -Dwerror=true
	@meson test -C build-headers --no-rebuild --print-errorlogs --suite wire --suite generator

test-scale:
	@scripts/setup.sh test
	@scripts/build.sh $(BUILD)
	@for mode in workers in-process; do \
	    $(PYTHON) tests/scale/scale.py --full --pv-venus $(BUILD)/tools/pv-venus \
	        --pv-scale $(BUILD)/tests/scale/pv-scale --mode $$mode || exit 1; \
	done

test-programs:
	@scripts/setup.sh programs
	@scripts/build.sh $(BUILD)
	@mkdir -p out
	@$(PYTHON) tests/programs/run.py --build-dir $(BUILD) --json out/programs.json \
	    --markdown out/programs.md --keep out/programs

matrix:
	@scripts/setup.sh test
	@scripts/build.sh $(BUILD)
	@scripts/matrix.py $(BUILD)
	@scripts/coverage.py

coverage:
	@scripts/setup.sh test
	@scripts/build.sh $(BUILD)
	@scripts/matrix.py $(BUILD) --here
	@scripts/coverage.py --record-mock $(BUILD) --vk-xml "$$(scripts/headers.sh)/share/vulkan/registry/vk.xml"

build:
	@scripts/setup.sh build
	@scripts/build.sh $(BUILD)

check-asan check-tsan:
	@scripts/setup.sh test
	@$(PYTHON) scripts/test.py $(@:check-%=%)

bench:
	@scripts/setup.sh test
	@scripts/build.sh build-bench --buildtype=release
	@scripts/bench.sh run build-bench

bench-check:
	@scripts/setup.sh test
	@scripts/build.sh build-bench --buildtype=release
	@$(PYTHON) bench/check.py --decode build-bench/bench/bench_decode
	@scripts/bench.sh check build-bench

cross-darwin:
	@scripts/setup.sh build
	@scripts/cross-darwin.sh

install:
	@scripts/setup.sh build
	@scripts/build.sh build-release --buildtype=release -Dtests=false --prefix=$(or $(PREFIX),/usr/local)
	@meson install -C build-release --no-rebuild
	@if [ -z "$(DESTDIR)" ] && command -v ldconfig >/dev/null; then ldconfig; fi

clean:
	rm -rf $(BUILD) build-asan build-tsan build-clang build-release build-bench build-darwin build-newest out
