/* impostor: uploaded under the name of something that a toolchain might run. It says that it was. */
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	(void)argc;
	(void)dprintf(1, "BREACH %s was run\n", argv[0]);
	(void)dprintf(2, "BREACH %s was run\n", argv[0]);
	return 0;
}
