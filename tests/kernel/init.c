/* The first process of the machine that run.py boots: loads modules, mounts the host's file system read-only
   with memory over what has to be written, runs one script there, says how it ended and turns the machine
   off. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void off(const char* what) {
  if (what) perror(what);
  fflush(stdout);
  sync();
  reboot(RB_POWER_OFF);
  for (;;) pause();
}

static void put(const char* source, const char* where, const char* type, unsigned long flags,
                const char* options) {
  if (mount(source, where, type, flags, options) != 0) off(where);
}

int main(void) {
  /* In the order in which they need each other; a name with a minus before it may fail. */
  FILE* list = fopen("/modules/order", "r");
  char name[128];
  if (!list) off("order");
  while (fscanf(list, "%127s", name) == 1) {
    const char* file = name[0] == '-' ? name + 1 : name;
    char path[160];
    snprintf(path, sizeof path, "/modules/%s", file);
    int fd = open(path, O_RDONLY);
    if ((fd < 0 || syscall(SYS_finit_module, fd, "", 0) != 0) && file == name) off(file);
    if (fd >= 0) close(fd);
  }
  const char* nine = "trans=virtio,version=9p2000.L,msize=1048576";
  char options[128];
  snprintf(options, sizeof options, "%s,cache=loose", nine);
  put("host", "/root", "9p", MS_RDONLY, options);
  put("proc", "/root/proc", "proc", 0, NULL);
  put("sys", "/root/sys", "sysfs", 0, NULL);
  put("dev", "/root/dev", "devtmpfs", 0, NULL);
  mkdir("/root/dev/shm", 0777);
  put("shm", "/root/dev/shm", "tmpfs", 0, "mode=1777");
  put("run", "/root/run", "tmpfs", 0, "mode=755");
  /* Before /tmp goes: the project may be there. */
  char project[512] = "/root";
  FILE* where = fopen("/modules/project", "r");
  if (!where || fscanf(where, "%500s", project + 5) != 1) off("project");
  mkdir("/root/run/project", 0755);
  put(project, "/root/run/project", NULL, MS_BIND, NULL);
  put("tmp", "/root/tmp", "tmpfs", 0, "mode=1777");
  mkdir("/root/run/results", 0777);
  put("results", "/root/run/results", "9p", 0, nine);

  struct ifreq loopback = {0};
  strcpy(loopback.ifr_name, "lo");
  loopback.ifr_flags = IFF_UP | IFF_RUNNING;
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &loopback) != 0) off("loopback");
  close(fd);
  if (chroot("/root") != 0 || chdir("/") != 0) off("chroot");
  pid_t child = fork();
  if (child == 0) {
    char* const arguments[] = {"/bin/sh", "/run/results/command", NULL};
    char* const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/tmp", "LC_ALL=C.UTF-8", NULL};
    execve(arguments[0], arguments, environment);
    perror("/bin/sh");
    _exit(127);
  }
  int status = 0;
  while (waitpid(-1, &status, 0) != child) {
  }
  FILE* result = fopen("/run/results/status", "w");
  if (result) {
    fprintf(result, "%d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    fclose(result);
  }
  off(NULL);
}
