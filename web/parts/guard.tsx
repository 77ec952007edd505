import { Button, Tooltip, type ButtonProps } from '@mantine/core';
import type { ReactNode } from 'react';
import type { Permission } from '#proto/http/users';
import { useDenied } from '../api/users.ts';

interface GuardedProps extends ButtonProps {
  readonly needs: Permission;
  readonly onClick?: () => void;
  readonly children: ReactNode;
  /** Another reason why not now. */
  readonly refused?: string | undefined;
}

/** A button that says why it cannot be used, instead of failing when it is. */
export function GuardedButton({ needs, refused, onClick, children, ...rest }: GuardedProps) {
  const reason = useDenied(needs) ?? refused;
  if (!reason)
    return (
      <Button {...rest} {...(onClick ? { onClick } : {})}>
        {children}
      </Button>
    );
  return (
    <Tooltip label={reason}>
      <Button
        {...rest}
        data-disabled
        aria-disabled
        aria-description={reason}
        onClick={(event) => event.preventDefault()}
      >
        {children}
      </Button>
    </Tooltip>
  );
}
